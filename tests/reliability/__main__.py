"""`make reliability`: inject every fault, print the table; exit 1 unless every promise held."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time

from rich.console import Console

from .rows import FAULTS
from .running import run
from .table import Row, Size, show


async def main() -> int:
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(FAULTS)}")
    parser.add_argument("--small", action="store_true", help="as `make test` runs them")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(FAULTS)
    if unknown:
        parser.error(f"no row is called {min(unknown)}; there are: {', '.join(FAULTS)}")
    console = Console()

    def ended(name: str, row: Row, took_s: float) -> None:
        console.print(f"{name}: {'held' if row.held else 'BROKEN'} in {took_s:.0f} s")

    began = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    try:
        rows = await run(arguments.rows or list(FAULTS), Size(full=not arguments.small), ended)
    except asyncio.CancelledError:
        return 130
    show(rows, console)
    console.print(f"{len(rows)} rows in {(time.monotonic() - began) / 60:.1f} minutes")
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
