"""Forks in the midst of what our threads do: every child has its agent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from applications import gunicorn, run
from servers import eventually, redis_server
from upshift_agent.testing import FakeController

from ..table import Row, Size

HOME = "service/checkout"
#: A child's agent is at work by then, on a machine that is busy.
AT_WORK_S = 20.0

#: The agent's loop imports one module after the other, as any library may on its first call of
#: something. Each child's agent needs the one that was being imported when the fork came.
IMPORTING = """
import importlib, importlib.abc, importlib.machinery, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork among threads
import upshift_agent.following.seats

class Slowly(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    newest = "slow0"
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.startswith("slow") else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        time.sleep(0.001)

sys.meta_path.insert(0, Slowly())
main = upshift_agent.following.seats.Seats._main
async def needs_the_newest(seats, *arguments):
    importlib.import_module(Slowly.newest)
    await main(seats, *arguments)
upshift_agent.following.seats.Seats._main = needs_the_newest

def import_more(loop, number=1):
    Slowly.newest = f"slow{{number}}"
    importlib.import_module(Slowly.newest)
    sys.modules.pop(f"slow{{number - 9}}", None)
    loop.call_later(0.0005, import_more, loop, number + 1)

called = set()
agent = Agent(redis_url=URL, service="checkout", driver=lambda _: called.add(os.getpid()))
agent.start()
until(lambda: agent.connected)
loop = agent._run.engine._loop
loop.call_soon_threadsafe(import_more, loop)
missing, waits = 0, []
for _ in range({children} // {at_once}):
    living = []
    for _ in range({at_once}):
        before = time.perf_counter()
        child = os.fork()
        if child == 0:
            deadline = time.monotonic() + {at_work_s}
            while os.getpid() not in called and time.monotonic() < deadline:
                time.sleep(0.001)
            os._exit(os.getpid() not in called)
        waits.append(time.perf_counter() - before)
        living.append(child)
    missing += sum(os.waitpid(child, 0)[1] != 0 for child in living)
waits.sort()
print(missing, waits[len(waits) // 2], waits[-1], flush=True)
print("end", flush=True)
"""


def importing(folder: Path, size: Size) -> Row:
    """Bare forks while imports run on the agent's thread."""
    children, at_once = size.of(20_000, 100), 4
    with redis_server(folder / "redis") as server:
        script = IMPORTING.format(children=children, at_once=at_once, at_work_s=AT_WORK_S)
        output, _ = run(server.url, script)
    missing, median_s, longest_s = output.split()[:3]
    return Row(
        fault="forks while imports run on the agent's thread",
        injected=children,
        promised=f"an agent at work in each child ≤ {AT_WORK_S:g} s",
        worst=f"{missing} missing; a fork took {float(median_s) * 1000:.1f} ms, "
        f"at most {float(longest_s) * 1000:.0f} ms",
        broken=[f"{missing} children had no agent"] if missing != "0" else [],
    )


def starts(folder: Path, size: Size) -> Row:
    """gunicorn --preload, started again and again on a busy machine: it forks as it imports."""
    times, workers = size.of(100, 1), 4
    missing = 0
    slowest_s = 0.0
    with _busy():
        for number in range(times):
            where = folder / str(number)
            where.mkdir()
            with redis_server(where / "redis") as server:
                controller = FakeController(server.url)
                began = time.monotonic()
                with gunicorn(where, server.url, workers=workers, preload=True):
                    try:
                        eventually(
                            lambda it=controller: len(it.statuses(HOME)) == workers + 1,
                            within_s=20,
                        )
                    except AssertionError:
                        missing += workers + 1 - len(controller.statuses(HOME))
                    slowest_s = max(slowest_s, time.monotonic() - began)
                controller.close()
    return Row(
        fault=f"gunicorn --preload with {workers} workers started on a busy machine",
        injected=times,
        promised="an agent in each worker, and in the arbiter",
        worst=f"{missing} of {times * (workers + 1)} missing; slowest start {slowest_s:.1f} s",
        broken=[f"{missing} processes had no agent"] if missing else [],
    )


@contextmanager
def _busy() -> Iterator[None]:
    """Each core has something else to do."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()
