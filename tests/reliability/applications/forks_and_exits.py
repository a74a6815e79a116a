"""Applications that fork, are forked, and end at the worst moment: agents do not get in the way."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import redis

from applications import gunicorn, run
from contract.statuses import applied_hz
from servers import eventually, redis_server
from upshift_agent.contract import Keys, Status
from upshift_agent.testing import FakeController

from ..parts.ends import PROMISED_S, Ends
from ..table import Row, Size

HOME = "service/checkout"
#: An agent holds up the exit for a quarter of a second at most; the rest is a loaded machine's.
EXIT_S = 2.0

FORKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork among threads
agent.start()
children = []
for number in range({children}):
    time.sleep(number % 4 * 0.05)  # at once, during the first imports, once connected
    child = os.fork()
    if child == 0:
        asked.clear()
        until(lambda: 100 in asked)
        sys.exit()
    children.append(child)
until(lambda: 100 in asked)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
print("end", flush=True)
"""
SHORT = """
agent.start()
print("end", flush=True)
"""
TERMINATED = """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
agent.start()
until(lambda: agent.connected)
print("end", flush=True)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""
#: The interpreter ends while the driver does this; a boost is on from the beginning.
APPLYING = """
import threading
busy = threading.Event()
def driver(decision):
    if decision.hz == 100:
        busy.set()
        {busy_with}
agent = Agent(redis_url=URL, service="checkout", driver=driver)
agent.start()
assert busy.wait(20)
print("end", flush=True)
"""
BUSY_WITH = ("time.sleep(60)", "while True: sum(range(1000))", "threading.Event().wait()")


def prefork(folder: Path, size: Size) -> Row:
    """gunicorn with four preforked workers; one is killed, all are told to end."""
    times = size.of(5, 1)
    broken: list[str] = []
    late_s: list[float] = []
    with redis_server(folder / "redis") as server:
        controller = FakeController(server.url)
        with gunicorn(folder, server.url, workers=4, preload=True) as web:
            for _ in range(times):
                # The arbiter, which loaded the application, has an agent as well.
                eventually(lambda: len(controller.statuses(HOME)) == 5, within_s=30)
                controller.boost(HOME, hz=100, for_s=2)
                expires_at_ms = controller.now_ms() + 2000
                eventually(lambda: _applied(controller) == [100] * 5)
                eventually(lambda: _applied(controller) == [19] * 5)
                late_s += [
                    (it.applied.at_ms - expires_at_ms) / 1000
                    for it in controller.statuses(HOME).values()
                ]
                before = controller.statuses(HOME)
                victim = next(it for it in map(_pid, before.values()) if it != web.process.pid)
                os.kill(victim, signal.SIGKILL)
                eventually(lambda it=before: controller.statuses(HOME).keys() - it.keys())
                _forget(server.url, before, victim)
            began = time.monotonic()
            web.process.send_signal(signal.SIGTERM)
            web.process.wait(30)
            ended_s = time.monotonic() - began
        if left := controller.statuses(HOME):
            broken.append(f"{len(left)} agents still reported after the end")
        controller.close()
    if "Traceback" in (log := (folder / "log").read_text()):
        broken.append(log[log.index("Traceback") :][:500])
    ended = Ends(late_s)
    return Row(
        fault="gunicorn with 4 preforked workers; one killed, all terminated",
        injected=times,
        promised=f"an agent in each, also in the new one; back ≤ {PROMISED_S:g} s from expiry",
        worst=f"{ended.worst}; ended in {ended_s:.1f} s",
        broken=[*broken, *ended.broken(5 * times)],
    )


def _applied(controller: FakeController) -> list[int | None]:
    return [applied_hz(it) for it in controller.statuses(HOME).values()]


def _pid(status: Status) -> int:
    return int(status.attributes["process.pid"])


def _forget(url: str, statuses: dict[str, Status], pid: int) -> None:
    """A killed process cannot take its status back; in time the controller's sweep does."""
    with redis.Redis.from_url(url) as client:
        client.hdel(Keys().agents(HOME), *[it for it in statuses if _pid(statuses[it]) == pid])


def forks(folder: Path, size: Size) -> Row:
    """A process that forks after start, at many moments of its agent's life."""
    children = size.of(20, 3)
    with redis_server(folder / "redis") as server:
        controller = FakeController(server.url)
        controller.boost(HOME, hz=100, for_s=60)
        _, took_s = run(server.url, FORKING.format(children=children))
        left = controller.statuses(HOME)
        controller.close()
    broken = [f"{json.dumps(sorted(left))} still reported"] if left else []
    return Row(
        fault="forks after the agent's start",
        injected=children,
        promised=f"an agent in parent and each child; exit ≤ {EXIT_S:g} s",
        worst=f"exit in {took_s:.2f} s",
        broken=[*broken, *_slow([took_s])],
    )


def exits(folder: Path, size: Size) -> Row:
    """Scripts that end at once, by SIGTERM, and while a change is being applied."""
    times = size.of(20, 1)
    with redis_server(folder / "redis") as server:
        controller = FakeController(server.url)
        controller.boost(HOME, hz=100, for_s=600)
        scripts = [SHORT, TERMINATED, *[APPLYING.format(busy_with=it) for it in BUSY_WITH]]
        took_s = [run(server.url, script)[1] for script in scripts * times]
        left = controller.statuses(HOME)
        controller.close()
    broken = [f"{json.dumps(sorted(left))} still reported"] if left else []
    return Row(
        fault="exit at once, by SIGTERM, and while a change is applied",
        injected=len(took_s),
        promised=f"≤ {EXIT_S:g} s, exit code 0, no word on stderr, status taken back",
        worst=f"{max(took_s):.2f} s",
        broken=[*broken, *_slow(took_s)],
    )


def _slow(took_s: list[float]) -> list[str]:
    return [f"the exit took {it:.1f} s" for it in took_s if it > EXIT_S]
