"""What the SDK costs a process that it does nothing for: at rest, and when it is imported."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .. import stage
from ..processes import Usage, connections, resident_mib, usage
from ..results import Goal, Rounds, Row, at_most, in_turns
from ..sizes import Size

#: Modules that an import of the SDK must not bring along.
HEAVY = ("redis", "asyncio")
LOAD = """
import sys, time
began = time.perf_counter()
{statement}
print((time.perf_counter() - began) * 1000, *({heavy} & set(sys.modules)))
"""


def idle(size: Size, folder: Path) -> Iterator[Row]:
    """Several processes of each kind, over one and the same span: that is their turn-taking."""
    with ExitStack() as stack:
        redis = stack.enter_context(stage.valkey(folder / "valkey"))
        stack.enter_context(stage.controller(folder / "upshift", redis.url))
        pids: dict[str, list[int]] = {"product": [], "floor": []}
        scripts = {"product": stage.PRODUCTS / "idle.py", "floor": stage.FLOORS / "idle.py"}
        for _ in range(size.idle_processes):
            for kind, script in scripts.items():
                pids[kind].append(stack.enter_context(stage.program(script, redis.url)).pid)
        time.sleep(min(2.0, size.idle_s))
        before = {pid: usage(pid) for kind in pids.values() for pid in kind}
        began = time.monotonic()
        time.sleep(size.idle_s)
        took_s = time.monotonic() - began
        after = {pid: usage(pid) for pid in before}
        memory = {pid: resident_mib(pid) for pid in before}
        open_to = {pid: connections(pid, redis.port) for pid in before}

    def rounds(value: dict[int, float]) -> tuple[Rounds, Rounds]:
        return (
            Rounds([value[pid] for pid in pids["product"]]),
            Rounds([value[pid] for pid in pids["floor"]]),
        )

    def rate(pid: int, what: str) -> float:
        first, last = before[pid], after[pid]
        return (_value(last, what) - _value(first, what)) / took_s

    cpu = rounds({pid: 100 * rate(pid, "cpu_s") for pid in before})
    woken = rounds({pid: rate(pid, "wakeups") for pid in before})
    resident = rounds(memory)
    over = resident[0].median - resident[1].median
    held_open = rounds({pid: float(number) for pid, number in open_to.items()})
    yield Row(
        name="agent, idle: CPU of one core",
        unit="%",
        product=cpu[0],
        floor=cpu[1],
        goal=at_most(0.1, "%"),
    )
    yield Row(name="agent, idle: wake-ups", unit="per s", product=woken[0], floor=woken[1])
    yield Row(
        name="agent, idle: resident memory",
        unit="MiB",
        product=resident[0],
        floor=resident[1],
        goal=Goal("≤ 3 MB over the floor", lambda *_: over * 1.048576 <= 3),
    )
    yield Row(
        name="agent, idle: connections",
        unit="count",
        product=held_open[0],
        floor=held_open[1],
        goal=at_most(2, "connections"),
    )


def _value(it: Usage, what: str) -> float:
    return float(getattr(it, what))


def imports(size: Size, _: Path) -> Iterator[Row]:
    product, floor = in_turns(
        size.imports, lambda _: _load("import upshift_agent"), lambda _: _load("import logging")
    )
    yield Row(
        name="import upshift_agent, beside import logging",
        unit="ms",
        product=product,
        floor=floor,
        goal=at_most(20, "ms"),
    )


def _load(statement: str) -> float:
    """Milliseconds on the thread that imports, in a new interpreter."""
    code = LOAD.format(statement=statement, heavy=set(HEAVY))
    ms, *heavy = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not heavy, f"{statement} loads {', '.join(heavy)}"
    return float(ms)
