"""`upshift demo`: the story on a console, ended by a signal as well as by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import suppress

from rich.console import Console

from .screen import Screen
from .story import Summary, tell


def run(*, keep: bool, as_json: bool) -> int:
    """Return the exit code: 0; 1 not as it should be; 128 and the signal's number.

    Raise `DemoFailed`.
    """
    console = Console(stderr=as_json, highlight=False)
    return asyncio.run(_until_told(console, keep=keep, as_json=as_json))


async def _until_told(console: Console, *, keep: bool, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    story = asyncio.create_task(tell(Screen(console), keep=keep), name="demo")
    told: list[int] = []

    def end(number: int) -> None:
        if not told:  # cleaning up is not to be interrupted in its turn
            story.cancel()
        told.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    with suppress(asyncio.CancelledError):
        summary = await story
        if as_json:
            sys.stdout.write(json.dumps(_document(summary), indent=2) + "\n")
        return 0 if summary.right else 1
    console.print("Ended; nothing is left behind.")
    return 0 if keep and told[0] == signal.SIGINT else 128 + told[0]


def _document(summary: Summary) -> dict[str, object]:
    """What `--json` prints. Frequencies in Hz."""
    took = summary.latency
    return {
        "right": summary.right,
        "phases": [
            {
                "phase": phase.name,
                "requested_hz": phase.hz,
                "measured_hz": phase.rate.per_cpu_second,
                "samples": phase.rate.samples,
                "busy_seconds": phase.rate.cpu_seconds,
                "one_period": phase.clean,
                "right": phase.right,
            }
            for phase in summary.phases
        ],
        "posted_to_driver_called_ms": {
            "median": took.median,
            "p5": took.percentile(5),
            "p95": took.percentile(95),
            "rounds": len(took.ms),
        },
    }
