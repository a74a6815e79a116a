"""What one shard carries. `python tests/bench/shard.py`, from the root, with nothing else running.

The server's own CPU time is what is printed for each operation: clients and other programs on the
machine do not count. Every client has a connection of its own and one question under way, as
agents have.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from servers import RedisServer, redis_server
from upshift_agent.contract import Cause, Keys, Lease
from upshift_controller.leasing.ports import Write
from upshift_controller.storage.connect import Servers
from upshift_controller.storage.store import Store
from upshift_rules.leases.state import TargetState

KEYS = Keys()
CLIENTS = 400
STATUS = "s" * 900  # bytes; a status with an applied decision has about as many
PLAN = "p" * 700


def command(*words: object) -> bytes:
    parts = [str(word).encode() for word in words]
    body = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%b" % (len(parts), body)


class Meter:
    """Operations, seconds, and the server's CPU µs for each."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def _cpu_s(self) -> float:
        with self._server.client() as client:
            info = client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    async def __call__(self, what: str, run: Callable[[], Awaitable[int]]) -> None:
        cpu, began = self._cpu_s(), time.perf_counter()
        count = await run()
        seconds, cpu = time.perf_counter() - began, self._cpu_s() - cpu
        line = f"{what:45} {count / seconds:9,.0f}/s {cpu / count * 1e6:9.1f} µs of the server"
        print(line)  # noqa: T201  # it is what a benchmark is for


async def together(port: int, work: Callable[[Client, int], Awaitable[int]]) -> int:
    async def one(i: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            return await work(Client(reader, writer), i)
        finally:
            writer.close()
            await writer.wait_closed()

    return sum(await asyncio.gather(*map(one, range(CLIENTS))))


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, sent: bytes, lines: int) -> None:
        self.writer.write(sent)
        for _ in range(lines):
            await self.reader.readline()


async def report(client: Client, i: int) -> int:
    agents = KEYS.agents(f"service/{i % 20}")
    for _ in range(50):
        sent = command("HSET", agents, f"{i}/1", STATUS) + command("EXPIRE", agents, 86400)
        await client.ask(sent, 2)
    return 50


async def resync(client: Client, i: int) -> int:
    sent = command("GET", KEYS.plan(f"service/{i % 20}")) + command("TIME")
    for _ in range(50):
        await client.ask(sent, 2 + 5)
    return 50


async def visit(port: int) -> int:
    async def one(i: int) -> int:
        for _ in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            client = Client(reader, writer)
            await client.ask(command("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), 1)
            await client.ask(command("GET", KEYS.plan("service/1")), 2)
            writer.close()
            await writer.wait_closed()
        return 10

    return sum(await asyncio.gather(*map(one, range(200))))


async def push(server: RedisServer) -> int:
    heard = 0

    async def listen(client: Client, i: int) -> int:
        nonlocal heard
        await client.ask(command("SUBSCRIBE", "plans"), 6)
        heard += 1
        for _ in range(20 * 7):
            await client.reader.readline()
        return 20

    listening = asyncio.create_task(together(server.port, listen))
    while heard < CLIENTS:  # noqa: ASYNC110  # a benchmark may poll
        await asyncio.sleep(0.01)
    with server.client() as client:
        for _ in range(20):
            client.publish("plans", PLAN)
    return await listening


async def commits(servers: Servers) -> int:
    store, count = Store(servers, KEYS), 0
    for turn in range(20):
        names = [f"service/c{i}" for i in range(100)]
        snapshot = await store.read(names)
        writes = [
            Write(state, _boosted(state, snapshot.now_us, turn), (), snapshot.now_us)
            for state in snapshot.states.values()
        ]
        count += len(writes) - len((await store.commit(writes)).states)
    return count


def _boosted(state: TargetState, now_us: int, turn: int) -> TargetState:
    lease = Lease(
        id=f"high_cpu/{turn:08x}",
        kind="boost",
        hz=100,
        since_ms=now_us // 1000,
        expires_at_ms=now_us // 1000 + 600_000,
        cause=Cause({"alertname": "HighCPU", "rule": "high_cpu"}),
    )
    rev = max(state.rev + 1, now_us)
    return replace(state, leases=(lease,), rev=rev, plan_rev=rev)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        measure = Meter(server)
        async with aclosing(Servers(server.url)) as servers:
            await commits(servers)  # the script is loaded, and memory is warm
            await measure("read and commit a target, 100 at a time", lambda: commits(servers))
        with server.client() as client:
            for i in range(20):
                client.set(KEYS.plan(f"service/{i}"), PLAN)
        await measure("report a status", lambda: together(server.port, report))
        await measure("read a plan and the time", lambda: together(server.port, resync))
        await measure("visit another shard: connect, read, close", lambda: visit(server.port))
        await measure("push a plan to a subscriber", lambda: push(server))


if __name__ == "__main__":
    asyncio.run(main())
