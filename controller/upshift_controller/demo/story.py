"""The demo itself, in the order in which it happens."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import latency
from .alertmanager import Alert
from .errors import DemoFailed
from .latency import Latency
from .receiving.measured import DEVIATIONS, TOLERANCE, Phase, phases
from .screen import Screen
from .stage import (
    BASELINE_HZ,
    BOOST_HZ,
    BOOST_S,
    LOOK_EVERY_S,
    SERVICE,
    TARGET,
    UPLOAD_S,
    Stage,
    check_installed,
    stage,
)

#: At the baseline, before and after: 600 samples of two workers, right to 4 %.
BASELINE_S = 16.0
_APPLIED_S = 15.0  # patience until all run as they should
_LATE_S = 5.0
_PHASES = (("baseline", BASELINE_HZ), ("boosted", BOOST_HZ), ("back", BASELINE_HZ))


@dataclass(frozen=True, slots=True)
class Summary:
    phases: Sequence[Phase]
    latency: Latency

    @property
    def right(self) -> bool:
        return all(phase.right for phase in self.phases)


async def tell(screen: Screen, *, keep: bool) -> Summary:
    """Run the demo. With `keep` it goes on until it is cancelled. Raise `DemoFailed`."""
    check_installed()
    screen.tell(
        "[b]Upshift[/b]: an alert fires, a profiler shifts up, and back down by itself.\n"
        "Everything runs here, on loopback and in a temporary folder, and is gone\n"
        "afterwards. It takes less than a minute.\n"
    )
    screen.say(
        "start",
        f'The controller (`upshift serve`, with its own Valkey); two busy workers of "{SERVICE}", '
        "each with the SDK and pyroscope-io; a receiver that counts their samples.",
    )
    async with stage() as on:
        screen.tell(f"[b]The page:[/b] {on.url}\n")
        show = _Show(screen, on)
        with screen.running():
            summary = await _cycle(screen, on, show)
        _conclude(screen, summary)
        if keep:
            _invite(screen, on)
            with screen.running():
                await show.on_and_on()
    return summary


async def _cycle(screen: Screen, on: Stage, show: _Show) -> Summary:
    await show.until_at(BASELINE_HZ, "until the workers run", _APPLIED_S)
    screen.say(
        "baseline", f"Both run at {BASELINE_HZ} Hz, the rule file's default when all is well."
    )
    await show.wait("of counting samples", BASELINE_S)

    screen.say("alert", f'HighCPU fires for "{SERVICE}", posted as Alertmanager posts it.')
    posted = time.monotonic()
    account = await on.post(
        Alert({"alertname": "HighCPU", "service_name": SERVICE}, datetime.now(UTC))
    )
    screen.say("granted", _granted(account) + ", by the rule high_cpu; 10 min in production.")
    await show.until_at(BOOST_HZ, "until the workers have shifted up", _APPLIED_S)
    screen.say(
        "boosted",
        f"Both run at {BOOST_HZ} Hz, and know already when that ends.",
    )
    left_s = BOOST_S - (time.monotonic() - posted)
    await show.until_at(BASELINE_HZ, "until the boost ends by itself", left_s, late_s=_LATE_S)
    screen.say("back", f"Both run at {BASELINE_HZ} Hz again by themselves; the alert still fires.")
    await show.wait("of counting samples", BASELINE_S)

    screen.say("latency", f"{latency.ROUNDS} more alerts, to a third agent, against the clock.")
    took = await latency.measure(on.calls, on.post)
    await on.look()
    screen.rest(list(on.workers.values()))
    return Summary(phases(on.workers.values(), _PHASES), took)


class _Show:
    """Waiting, with something to look at."""

    def __init__(self, screen: Screen, on: Stage) -> None:
        self._screen = screen
        self._on = on
        self._workers = list(on.workers.values())

    async def wait(self, doing: str, seconds: float) -> None:
        """Also until what was pushed last has come in."""
        seconds += UPLOAD_S
        began = time.monotonic()
        await self._on.until(
            lambda: time.monotonic() - began >= seconds,
            lambda: self._draw(doing, began, seconds),
            seconds,
        )

    async def until_at(self, hz: int, doing: str, within_s: float, late_s: float = 0.0) -> None:
        """Until all workers run at `hz`. Raise `DemoFailed` if that takes too long."""
        began = time.monotonic()
        came = await self._on.until(
            lambda: self._on.all_at(hz),
            lambda: self._draw(doing, began, within_s),
            within_s + late_s,
        )
        if not came:
            why = "".join(
                f"\n{worker.name}: {worker.error}" for worker in self._workers if worker.error
            )
            raise DemoFailed(f"not all run at {hz} Hz after {within_s + late_s:.0f} s{why}")

    async def on_and_on(self) -> None:
        while True:
            await self._on.look()
            self._screen.show(self._workers, "Ctrl-C ends it.")
            await asyncio.sleep(LOOK_EVERY_S)

    def _draw(self, doing: str, began: float, length: float) -> None:
        self._screen.show(self._workers, doing, time.monotonic() - began, length)


def _granted(account: dict[str, Any]) -> str:
    outcomes = account["outcomes"]
    if [outcome["outcome"] for outcome in outcomes] != ["granted"]:
        raise DemoFailed(f"the controller should have granted a boost, but it said: {account}")
    return f"The controller answers 200: {outcomes[0]['reason']}"


def _conclude(screen: Screen, summary: Summary) -> None:
    screen.verdict(summary.phases)
    cycle = " → ".join(str(phase.hz) for phase in summary.phases)
    took, here = summary.latency, f"{os.cpu_count()} CPUs at a load of {os.getloadavg()[0]:.1f}"
    screen.tell(
        f"[bold green]It works:[/] {cycle} Hz as measured, one period to each profile."
        if summary.right
        else f"[bold red]It does not work:[/] {cycle} Hz is not what was measured."
    )
    screen.tell(
        f"Alert posted → driver called: [bold]median {took.median:.1f} ms[/], 90 % of "
        f"{len(took.ms)} rounds in {took.percentile(5):.1f}–{took.percentile(95):.1f} ms."
    )
    screen.tell(
        "Measured are the samples that arrived, per second that a worker ran or waited\n"
        "for a CPU. Pauses between samples are random: ± is one standard deviation, and\n"
        f"right is within {TOLERANCE:.0%}, or {DEVIATIONS} of them where samples are few.\n"
        "The latency is of one agent, from before the POST is sent, both workers busy,\n"
        f"each change on disk before its answer; here on {here}.",
        style="dim",
    )


def _invite(screen: Screen, on: Stage) -> None:
    here = str(Path(sys.executable).parent)
    path = "" if shutil.which("upshift") == f"{here}/upshift" else f"  export PATH={here}:$PATH\n"
    screen.tell(
        "\nEverything goes on until Ctrl-C. In another terminal:\n\n"
        f"{path}"
        f"  export UPSHIFT_URL={on.url}\n"
        "  upshift status\n"
        "  upshift watch\n"
        f"  upshift history {TARGET}\n"
        f"  upshift boost {TARGET} --hz 49 --for 30s\n"
        "  upshift cap fleet --hz 0 --for 10s\n\n"
        f"Page    {on.url}\n"
        f"API     {on.url}/api/v1/targets\n"
        f"Agents  UPSHIFT_REDIS_URL={on.redis_url}\n"
        f"Rules   {on.config}\n"
    )
