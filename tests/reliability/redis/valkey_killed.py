"""The controller's own Valkey, killed or frozen at random moments of a boost's life."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests

from own_valkey import announced, valkeys
from servers import eventually

from ..parts.agents import agents
from ..parts.controllers import Controller, controller, firing
from ..parts.ends import PROMISED_S, Ends, ends, expiries, told_twice
from ..table import Row, Size

#: Long enough for agents that look for their server again to see each boost.
RULES = "sampling: {{on_alert: [{{trigger: high_cpu, frequency: 100, duration: {seconds}s}}]}}\n"
#: From its end, or from when it goes on: its controller waits 5 s at most before it starts it
#: again, more often than once a minute as here.
WRITABLE_S = 9.0
ENDED_S = 10.0


@dataclass
class Seen:
    writable_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    accepted: int = 0
    off_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def own_valkey_killed(folder: Path, size: Size) -> Row:
    """Each scene is a controller that lives through all of its faults, and ends in the last one."""
    scenes, times, boost_s = size.of(3, 1), size.of(12, 1), size.of(5, 1)
    with ThreadPoolExecutor() as pool:  # most of it is waiting for boosts to end
        parts = list(
            pool.map(lambda it: _scene(folder / str(it), it, times, boost_s), range(scenes))
        )
    left = Ends([off_s for it in parts for off_s in it.off_s])
    lasted_s = max(it for part in parts for it in part.writable_s)
    ended_s = max(it for part in parts for it in part.ended_s)
    return Row(
        fault="own Valkey killed or frozen at random moments of a boost",
        injected=scenes * (times + 1),
        promised=f"writable again ≤ {WRITABLE_S:g} s, no accepted boost lost; agents back ≤ "
        f"{PROMISED_S:g} s from expiry; SIGTERM meanwhile ends it ≤ {ENDED_S:g} s",
        worst=f"writable after {lasted_s:.1f} s; {sum(it.accepted for it in parts)} boosts; "
        f"{left.worst}; ended after {ended_s:.1f} s",
        # In the small size a boost may be over before agents have found their server again.
        broken=[
            *(it for part in parts for it in part.broken),
            *left.broken(size.of(3 * scenes * times, 0)),
        ],
    )


def _scene(folder: Path, number: int, times: int, boost_s: int) -> Seen:
    dice = random.Random(number)  # the same moments in each run
    seen, data = Seen(), folder.resolve() / "data"
    with controller(folder, None, rules=RULES.format(seconds=boost_s)) as upshift:
        url = announced(upshift.log)
        with agents(folder, url, "a", "b", "c") as fleet:
            for at in range(times):
                do = _kill if at % 2 == 0 else _freeze
                took_s = _fault(upshift, do, data, dice, boost_s + 0.5, f"other-{at}")
                seen.writable_s.append(took_s)
                if took_s > WRITABLE_S:
                    seen.broken.append(f"writable after {took_s:.1f} s")
                eventually(lambda: not upshift.target()["leases"], within_s=20)
                eventually(lambda: fleet.all_at(19), within_s=10)
            seen.off_s += ends(fleet.calls, expiries(upshift.history(), url)).off_s
            seen.ended_s.append(took_s := _told_to_end(upshift, data))
            if took_s > ENDED_S:
                seen.broken.append(f"ended after {took_s:.1f} s")
        if left := valkeys(data):
            seen.broken.append(f"Valkey {left} was left behind")
            for it in left:
                os.kill(it, signal.SIGKILL)
        upshift.spawn()
        eventually(upshift.is_ready, within_s=30)
        told = upshift.history()
        granted = sum(entry["event"] == "granted" for entry in told)
        if granted != times:
            seen.broken.append(f"of {times} boosts {granted} are in the history")
        seen.broken += told_twice(told)
        for at in range(times):
            other = f"service/other-{at}"
            eventually(lambda: not upshift.target(other)["leases"], within_s=20)  # noqa: B023
            events = [entry["event"] for entry in upshift.history(other)]
            if events != ["granted", "expired"]:
                seen.broken.append(f"the history of another alert is {events}")
        seen.accepted = 2 * times
    return seen


def _fault(
    upshift: Controller,
    do: Callable[[Path, random.Random], float],
    data: Path,
    dice: random.Random,
    within_s: float,
    other: str,
) -> float:
    """Seconds from the end of the fault until an alert about somebody else was taken."""
    over_at: list[float] = []
    delay_s = dice.choice([0.02 * dice.random(), within_s * dice.random()])
    fault = threading.Timer(delay_s, lambda: over_at.append(do(data, dice)))
    fault.start()
    _tell(upshift, firing())
    fault.join()
    _tell(upshift, firing(service=other))
    return max(0.0, time.monotonic() - over_at[0])


def _kill(data: Path, _: random.Random) -> float:
    (process,) = valkeys(data)
    os.kill(process, signal.SIGKILL)
    return time.monotonic()


def _freeze(data: Path, dice: random.Random) -> float:
    (process,) = valkeys(data)
    os.kill(process, signal.SIGSTOP)
    time.sleep(dice.uniform(0.1, 4))  # the length of the fault
    os.kill(process, signal.SIGCONT)
    return time.monotonic()


def _tell(upshift: Controller, alert: dict[str, object]) -> None:
    """Until it is taken, as Alertmanager does."""

    def taken() -> bool:
        try:
            return upshift.notify(alert).status_code == 200
        except requests.RequestException:
            return False

    eventually(taken, within_s=30, every_s=0.1)


def _told_to_end(upshift: Controller, data: Path) -> float:
    (process,) = valkeys(data)
    os.kill(process, signal.SIGSTOP)
    assert upshift.process is not None
    began = time.monotonic()
    upshift.process.terminate()
    upshift.process.wait(30)
    return time.monotonic() - began
