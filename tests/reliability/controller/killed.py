"""Processes that are killed: agents come back on time all the same, and nothing is told twice."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from servers import eventually, redis_server

from ..parts.agents import agents
from ..parts.controllers import Controller, controller, firing
from ..parts.ends import PROMISED_S, Ends, ends, expiries, told_twice
from ..table import Row, Size


def controller_killed(folder: Path, size: Size) -> Row:
    """SIGKILL at random moments of a boost's life; the next start goes on where it stopped."""
    scenes, times = size.of(2, 1), size.of(25, 2)
    with ThreadPoolExecutor() as pool:  # most of it is waiting for boosts to end
        parts = list(pool.map(lambda it: _kills(folder / str(it), it, times), range(scenes)))
    left = Ends([off_s for ended, _ in parts for off_s in ended.off_s])
    return Row(
        fault="controller killed at random moments of a boost",
        injected=scenes * times,
        promised=f"agents back ≤ {PROMISED_S:g} s from expiry, history without duplicates",
        worst=left.worst,
        broken=[*left.broken(3 * scenes * times), *(it for _, broken in parts for it in broken)],
    )


def _kills(folder: Path, scene: int, times: int) -> tuple[Ends, list[str]]:
    """Where agents left their boosts, and what was wrong."""
    dice = random.Random(scene)  # the same moments in each run
    broken: list[str] = []
    with (
        redis_server(folder / "redis") as server,
        agents(folder, server.url, "a", "b", "c") as fleet,
        controller(folder, server.url) as upshift,
    ):
        for number in range(1, times + 1):
            alert = firing()
            _notify_and_kill(upshift, alert, dice.uniform(0, 2.5))
            upshift.spawn()
            eventually(lambda: upshift.get("/-/ready"), within_s=30)
            upshift.notify(alert)  # Alertmanager's retry, or its replica
            eventually(lambda: not upshift.target()["leases"], within_s=10)
            eventually(lambda: fleet.all_at(19), within_s=10)
            for agent in eventually(lambda: upshift.target()["agents"]):
                runs_at = fleet.hz()[agent["instance"].partition("/")[0]]
                if runs_at != agent["requested"]["profiles"]["cpu"]["hz"]:
                    broken.append(f"kill {number}: {agent['instance']} runs at {runs_at} Hz")
        history = upshift.history()
        return ends(fleet.calls, expiries(history, server.url)), [*broken, *told_twice(history)]


def _notify_and_kill(upshift: Controller, alert: dict[str, object], delay_s: float) -> None:
    """Kill the controller within `delay_s` of an alert: before its answer, or after."""
    if delay_s > 0.25:
        upshift.notify(alert)
    else:
        try:
            upshift.notify(alert, timeout_s=delay_s / 50)  # gone before it could answer
        except requests.RequestException:
            delay_s = 0
    time.sleep(delay_s)  # the random moment is the fault itself
    upshift.kill()


def all_killed(folder: Path, size: Size) -> Row:
    """Controller and Redis both killed while two boosts overlap."""
    times = size.of(5, 1)
    broken: list[str] = []
    off_s: list[float] = []
    for number in range(times):
        with (
            redis_server(folder / f"redis{number}") as server,
            agents(folder / str(number), server.url, "a", "b", "c") as fleet,
            controller(folder / str(number), server.url) as upshift,
        ):
            upshift.notify(firing("HighCPU"), firing("HighLatency"))
            eventually(lambda: fleet.all_at(100))
            expire_at_s = expiries(upshift.history(), server.url)
            upshift.kill()
            server.kill()
            eventually(lambda: fleet.all_at(19), within_s=15)
            for instance in fleet.instances:
                steps = [call.hz for call in fleet.of(instance)]
                if steps != [19, 100, 49, 19]:
                    broken.append(f"{instance} went {' → '.join(map(str, steps))}")
            seen = ends(fleet.calls, expire_at_s)
            off_s += seen.off_s
            broken += seen.broken(6)
    return Row(
        fault="controller and Redis both killed",
        injected=times,
        promised=f"100 → 49 → 19 Hz by themselves, ≤ {PROMISED_S:g} s from expiry",
        worst=Ends(off_s).worst,
        broken=broken,
    )
