"""Wall clocks that are wrong, and that jump while a boost is on. Redis keeps the time of all."""

from __future__ import annotations

import time
from pathlib import Path

from servers import RedisServer, eventually, redis_server
from upshift_agent.contract import Keys

from ..parts.agents import agents
from ..parts.controllers import controller, firing
from ..parts.ends import PROMISED_S, Ends, ends, expiries, recorded_late
from ..table import Row, Size
from .stepped_clock import SteppedClock

#: Promise 9: the kill switch is granted, and obeyed, within this time each.
KILLED_S = 2.0

#: By how many seconds a wall clock is off: at the start, and from the middle of a boost on.
CLOCKS = {
    "an hour ahead": (3600, 3600),
    "an hour behind": (-3600, -3600),
    "jumping ahead": (0, 3600),
    "jumping back": (0, -3600),
    "from ahead to behind": (3600, -3600),
}


def on_the_agent(folder: Path, size: Size) -> Row:
    return _wrong(folder, size, "agent")


def on_the_controller(folder: Path, size: Size) -> Row:
    return _wrong(folder, size, "controller")


def _wrong(folder: Path, size: Size, whose: str) -> Row:
    rounds = size.of(2, 1)
    names = list(CLOCKS) if size.full else ["from ahead to behind"]
    off_s: list[float] = []
    recorded_s: list[float] = []
    broken: list[str] = []
    for number, name in enumerate(names * rounds):
        off, recorded = _boost(folder / str(number), whose, *CLOCKS[name])
        broken += [f"{whose} {name}: {it}" for it in off.broken(2)]
        broken += [
            f"{whose} {name}: the end was recorded {it:.1f} s late"
            for it in recorded
            if it > PROMISED_S
        ]
        off_s += off.off_s
        recorded_s += recorded
    worst = Ends(off_s).worst
    return Row(
        fault=f"the {whose}'s wall clock ±1 h, and jumping during a boost",
        injected=len(names) * rounds,
        promised=f"expiries unchanged: agents and history ≤ {PROMISED_S:g} s",
        worst=f"{worst}; recorded after {max(recorded_s, default=0) * 1000:.0f} ms",
        broken=broken,
    )


def _reporting(server: RedisServer) -> int:
    with server.client() as client:
        agents: int = client.hlen(Keys().agents("service/checkout"))  # type: ignore[assignment]
    return agents


def _boost(folder: Path, whose: str, before_s: int, after_s: int) -> tuple[Ends, list[float]]:
    """One boost; how far off the agents left it, and how late its end was recorded, in s."""
    clock = SteppedClock(folder)
    clock.show(wall_s=before_s)
    wrong, right = clock.environment, dict[str, str]()
    with (
        redis_server(folder / "redis") as server,
        agents(folder, server.url, "a", "b", **(wrong if whose == "agent" else right)) as fleet,
        controller(folder, server.url, **(wrong if whose == "controller" else right)) as upshift,
    ):
        # Where a process is slow to start, the boost could be over before its agents follow plans.
        eventually(lambda: _reporting(server) == len(fleet.instances), within_s=30)
        upshift.notify(firing())
        eventually(lambda: fleet.all_at(100))
        clock.show(wall_s=after_s)
        eventually(lambda: fleet.all_at(19), within_s=20)
        eventually(lambda: [it for it in upshift.history() if it["event"] == "expired"])
        history = upshift.history()
        left = ends(fleet.calls, expiries(history, server.url))
    return left, recorded_late(history)


def on_redis(folder: Path, size: Size) -> Row:
    """Redis's own clock, by which all leases count, steps in the middle of a boost."""
    steps = [3600, -3600, 40, -40, 3, -3] if size.full else [-3600]
    rounds = size.of(3, 1)
    granted_s, obeyed_s, broken = [], [], []
    for number, step in enumerate(steps * rounds):
        where = folder / str(number)
        clock = SteppedClock(where)
        with (
            # Valkey's wheel is linked statically, so nothing can be preloaded.
            redis_server(where / "redis", debian=True, **clock.environment) as server,
            agents(where, server.url, "a", "b") as fleet,
            controller(where, server.url) as upshift,
        ):
            upshift.notify(firing())
            eventually(lambda: fleet.all_at(100))
            clock.show(wall_s=step)
            asked_at = time.monotonic()
            upshift.lease(target="fleet", kind="cap", hz=0, duration="10m")
            granted_s.append(time.monotonic() - asked_at)
            eventually(lambda: fleet.all_at(0), within_s=60)
            obeyed_s.append(time.monotonic() - asked_at - granted_s[-1])
            upshift.release("fleet")
            # Nobody can tell how long a boost has been on by a clock that was set back; but it
            # ends within its length once more.
            try:
                eventually(lambda: fleet.all_at(19), within_s=40)
            except AssertionError:
                broken.append(f"stepped by {step:+} s: agents stayed at {fleet.hz()}")
    broken += [f"cap granted after {it:.1f} s" for it in granted_s if it > KILLED_S]
    broken += [f"cap obeyed after {it:.1f} s" for it in obeyed_s if it > KILLED_S]
    return Row(
        fault="Redis's clock steps by 3 s to 1 h, ahead and back, during a boost",
        injected=len(granted_s),
        promised=f"cap granted and obeyed ≤ {KILLED_S:g} s each; the boost ends",
        worst=f"granted after {max(granted_s):.1f} s, obeyed after {max(obeyed_s):.1f} s",
        broken=broken,
    )
