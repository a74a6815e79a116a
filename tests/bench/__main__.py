"""`python -m bench [ROW...]`: run rows, all or by name, and print them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from .measuring import machine
from .measuring.program import Code
from .measuring.revision import checked_out
from .measuring.row import Row
from .measuring.runner import run
from .rows import rows
from .telling import comparison, report, spread
from .telling.coefficients import coefficients_yaml
from .telling.plot import plot
from .telling.results import Measured

ROWS = rows()
Chosen = Mapping[str, Sequence[Row]]


class Bench:
    """A run's options, where it prints, and what it noticed meanwhile."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._console = Console(highlight=False)
        self._began = time.monotonic()
        self._broken: dict[str, str] = {}

    def main(self) -> int:
        self._console.print(machine.description())
        self._is_quiet(machine.others_in(1.0), "Its figures will be apart.")
        if self._options.base is None:
            self._runs()
            worse = False
        else:
            with checked_out(self._options.base) as base:
                worse = self._compare(base)
        report.print_broken(self._broken, self._console)
        return int(worse or bool(self._broken))

    def _runs(self) -> None:
        options, taken, machines = self._options, [], []
        for number in range(options.runs):
            self._say(f"run {number + 1} of {options.runs}")
            lines, others = self._run(self._chosen())
            taken.append(lines)
            machines.append(others)
            quiet = self._is_quiet(others, "Figures are shown, verdicts are not.")
            report.print_run(lines, self._console, verdicts=quiet)
            if options.spread:
                used = f"of which others used at most {max(machines):.2f} cores"
                text = spread.markdown(taken, f"{machine.description()}, {used}")
                spread.write(options.spread, text)
            self._write(lines, quiet)
            if self._broken:  # further runs would only be as wrong
                return

    def _compare(self, base: Code) -> bool:
        """Whether something became worse. What a first run suspects is measured on."""
        chosen = self._chosen()
        first, others = self._run(chosen, base)
        second: list[Measured] = []
        if doubted := comparison.suspects(first):
            self._say(f"on, to be sure: {', '.join(sorted(doubted))}")
            again = {
                name: [it for it in of_name if doubted & {line.name for line in it.lines}]
                for name, of_name in chosen.items()
            }
            second, _ = self._run(again, base, times=comparison.AGAIN)
        found = comparison.changes(first, second)
        report.print_comparison(found, self._options.base, self._console)
        self._is_quiet(others, "What got worse is true, but more may have.")
        return any(change == "worse" for _, change in found)

    def _chosen(self) -> Chosen:
        """The rows that were named, or all; of a comparison those that tell something in it."""
        options = self._options
        return {
            name: [it for it in ROWS[name] if options.rows or options.base is None or it.compared]
            for name in options.rows or ROWS
        }

    def _run(
        self, chosen: Chosen, base: Code | None = None, times: int = 1
    ) -> tuple[list[Measured], float]:
        """The lines, and the cores that others used meanwhile."""
        meter = machine.Meter()
        tiny = self._options.tiny
        lines, broken = run(chosen, Code(), base, times=times, tiny=tiny, say=self._say)
        others = meter.others()
        self._broken |= broken
        self._say(f"done; others used {others:.2f} cores meanwhile\n")
        return lines, others

    def _is_quiet(self, others: float, otherwise: str) -> bool:
        quiet = others <= machine.QUIET
        if not quiet:
            self._console.print(
                f"This machine is busy: others use {others:.2f} of its {machine.cores()} cores. "
                f"{otherwise}",
                style="yellow",
            )
        return quiet

    def _say(self, what: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:4.0f} s  {what}", style="dim")

    def _write(self, lines: Sequence[Measured], quiet: bool) -> None:
        options = self._options
        for path in filter(None, (options.json, options.cost)):
            path.parent.mkdir(parents=True, exist_ok=True)  # a run is not lost for a folder
        if options.json:
            found = [it.to_json() | ({} if quiet else {"held": None}) for it in lines]
            options.json.write_text(json.dumps(found, indent=2) + "\n")
        if options.plot and plot(lines, options.plot):
            self._console.print(f"The curves are drawn in {options.plot}.")
        if options.cost and (text := coefficients_yaml(lines)):
            options.cost.write_text(text)
            self._console.print(f"The coefficients for `upshift cost` are in {options.cost}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of: {', '.join(ROWS)}")
    parser.add_argument("--base", metavar="REV", help="compare with this revision, not the floor")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="so many, in a sequence")
    parser.add_argument("--spread", type=Path, metavar="FILE", help="write the runs' table there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the growth curves, as PNG")
    parser.add_argument(
        "--cost", type=Path, metavar="FILE", help="write coefficients for upshift.yaml"
    )
    parser.add_argument("--tiny", action="store_true", help="only show that the rows run")
    options = parser.parse_args()
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row is called {min(unknown)}; there are: {', '.join(ROWS)}")
    if options.spread and not spread.has_place(options.spread):
        parser.error(f"{options.spread} is there, but has no marks for the table to stand between")
    return options


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # every process that it started ends too
    sys.exit(Bench(_options()).main())
