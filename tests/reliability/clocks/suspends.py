"""Clocks that show less than has gone by, or count from another moment: boosts end all the same."""

from __future__ import annotations

import time
from pathlib import Path

from servers import redis_server

from ..network.subscriptions import Scene
from ..parts.agents import agents
from ..parts.controllers import controller
from ..parts.ends import PROMISED_S
from ..table import Row, Size
from .stepped_clock import SteppedClock

BOOST_S = 60
#: How long the machine stands still: until shortly before the end of the boost, or past it.
STILL_S = (57, 70)


def suspended(folder: Path, size: Size) -> Row:
    """The agents' machine stands still during a boost, and nobody tells them after.

    Suspended, it counts that on CLOCK_BOOTTIME, and Redis does not answer. Paused, as virtual
    machines are, it counts that nowhere: then its wall clock is set right, and Redis answers.
    """
    late_s: list[float] = []
    broken: list[str] = []
    for number, still_s in enumerate(STILL_S * size.of(3, 1)):
        for how in ("suspended", "paused"):
            late_s.append(_stand_still(folder / f"{number}-{how}", still_s, how))
            if abs(late_s[-1]) > PROMISED_S:
                broken.append(f"{how} for {still_s} s: {late_s[-1]:+.2f} s off")
    return Row(
        fault="the agents' machine suspended, or paused, during a boost",
        injected=len(late_s),
        promised=f"back ≤ {PROMISED_S:g} s from expiry, or from waking where that was later",
        worst=f"{max(late_s, key=abs) * 1000:+.0f} ms",
        broken=broken,
    )


def _stand_still(folder: Path, still_s: int, how: str) -> float:
    """How late the last agent was back, in seconds; early is negative."""
    theirs, of_redis = SteppedClock(folder), SteppedClock(folder / "redis")
    with (
        redis_server(folder / "redis", debian=True, **of_redis.environment) as server,
        agents(folder, server.url, "a", "b", **theirs.environment) as fleet,
        controller(folder, server.url) as upshift,
    ):
        now = Scene(server, fleet, upshift)
        end_at = now.boost(100, BOOST_S) - still_s
        now.told_at(100)
        upshift.kill()
        if how == "suspended":
            server.freeze()
            theirs.show(wall_s=still_s, boot_s=still_s)
        else:
            of_redis.show(wall_s=still_s)
            theirs.show(wall_s=still_s)
        woke_at = time.monotonic()
        return now.told_at(19) - max(woke_at, end_at)


def time_namespace(folder: Path, size: Size) -> Row:
    """Agents in a time namespace, as in some containers: their monotonic clocks are others'."""
    offsets = (1_000_000, -int(time.monotonic() / 2)) * size.of(3, 1)
    off_s: list[float] = []
    for number, offset in enumerate(offsets):
        where = folder / str(number)
        unshare = ("unshare", "--time", f"--monotonic={offset}", f"--boottime={offset}")
        with (
            redis_server(where / "redis") as server,
            agents(where, server.url, "a", "b", command=unshare) as fleet,
            controller(where, server.url) as upshift,
        ):
            now = Scene(server, fleet, upshift)
            end_at = now.boost(100, 4)
            now.told_at(100)
            upshift.kill()
            server.freeze()
            off_s.append(now.told_at(19) - offset - end_at)
    return Row(
        fault="agents in a time namespace, controller and Redis gone",
        injected=len(off_s),
        promised=f"expiries unchanged: ≤ {PROMISED_S:g} s",
        worst=f"{max(off_s, key=abs) * 1000:+.0f} ms",
        broken=[f"{it:+.2f} s off its expiry" for it in off_s if abs(it) > PROMISED_S],
    )
