"""A bridge as a process: killed, started again, ended, and what it says of itself."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from host.bridges.conftest import Join, soon
from host.bridges.elastic.apm_server import ApmServer
from host.bridges.process import BridgeProcess, applied, bridge
from servers import RedisServer
from upshift_agent.testing import FakeController

TARGET = "service/checkout"
COMMAND = [sys.executable, "-m", "upshift_host", "bridge"]


@pytest.fixture
async def opamp(tmp_path: Path, valkey: RedisServer) -> AsyncIterator[BridgeProcess]:
    async with AsyncExitStack() as stack:
        made = bridge("opamp", tmp_path / "bridge", valkey, "  path: /v1/opamp\n")
        await asyncio.to_thread(made.start)
        stack.callback(made.stop)
        yield made


async def test_killed_in_a_boost_and_started_after_it_the_bridge_takes_down_what_it_left(
    opamp: BridgeProcess, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    peer = await join(f"http://127.0.0.1:{opamp.listens}", mood="applied")
    lease = controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: peer.numbers[-1:] == [100])
    await soon(lambda: applied(valkey, TARGET) == [100])
    assert opamp.metrics()['upshift_bridge_agents{bridge="opamp",state="applied"}'] == 1
    opamp.kill()
    await soon(lambda: peer.closed is not None)
    controller.release(TARGET, lease)
    assert peer.numbers[-1] == 100  # nobody has told it anything
    await asyncio.to_thread(opamp.start)
    await peer.close()
    await peer.connect()
    await soon(lambda: peer.numbers[-1] == 19)


async def test_sigterm_tells_everybody_the_baseline_and_ends_with_0(
    opamp: BridgeProcess, join: Join, controller: FakeController
) -> None:
    peers = [await join(f"http://127.0.0.1:{opamp.listens}") for _ in range(20)]
    silent = await join(f"http://127.0.0.1:{opamp.listens}", mood="silent")
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: all(it.effective == 100 for it in peers))
    assert opamp.process is not None
    opamp.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(opamp.process.wait, 15) == 0
    await soon(lambda: all(it.effective == 19 for it in peers))
    assert silent.numbers[-1] == 19
    assert "Traceback" not in opamp.log.read_text()


async def test_without_redis_collectors_run_at_the_baseline_and_leases_to_their_end(
    opamp: BridgeProcess, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    peer = await join(f"http://127.0.0.1:{opamp.listens}")
    await soon(lambda: peer.effective == 19)
    controller.boost(TARGET, hz=100, for_s=4)
    await soon(lambda: peer.effective == 100)
    valkey.kill()
    await soon(lambda: peer.effective == 19)
    other = await join(f"http://127.0.0.1:{opamp.listens}")
    await soon(lambda: other.effective == 19)


async def test_what_agents_of_elastic_send_is_in_no_log(
    tmp_path: Path, valkey: RedisServer, server: ApmServer
) -> None:
    section = f"  server: {{url: '{server.url}'}}\n"
    made = bridge("elastic", tmp_path / "elastic", valkey, section)
    await asyncio.to_thread(made.start)
    secret = "s3cret-and-nobody-elses"
    curl = (
        "import sys, urllib.request as u; "
        "u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), {'Authorization': sys.argv[2]}))"
    )
    try:
        for path in ("/config/v1/agents?service.name=a", "/intake/v2/events", "/x"):
            url = f"http://127.0.0.1:{made.listens}{path}&a={secret}"
            await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", curl, url, secret], check=True
            )
        server.stop()
        broken = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", curl, url, secret], capture_output=True
        )
        assert b"503" in broken.stderr
    finally:
        made.stop()
    assert secret not in made.log.read_text()
    assert "Traceback" not in made.log.read_text()


def test_help_and_what_is_wrong_are_said_for_people(tmp_path: Path) -> None:
    said = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(it in said for it in ("opamp", "elastic", "check"))
    path = tmp_path / "bridge.yaml"
    path.write_text("redis: redis://127.0.0.1:6379\nopamp: {listen: '1.2.3.4:1'}\n")
    refused = subprocess.run(
        [*COMMAND, "opamp", "--config", str(path)], capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"upshift-agent: {path}:2:17: listen 1.2.3.4:1 is open")
    schema = subprocess.run(
        [*COMMAND, "check", "--schema"], capture_output=True, text=True, check=True
    ).stdout
    assert '"transaction_sample_rate"' in schema
