"""`python -m bench [ROW...]`: run rows, all or by name, and print them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from . import report
from .coefficients import coefficients_yaml
from .plot import plot
from .results import Row
from .rows import ROWS
from .sizes import FULL, TINY


def main() -> int:
    options = _options()
    size = TINY if options.tiny else FULL
    console = Console(highlight=False)
    console.print(report.machine())
    began = time.monotonic()
    rows: list[Row] = []
    for name in options.rows or ROWS:
        console.print(f"{time.monotonic() - began:4.0f} s  {name}", style="dim")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            rows += ROWS[name](size, Path(folder))
    console.print(f"{time.monotonic() - began:4.0f} s  done; {report.machine()}\n", style="dim")
    report.print_all(rows, console)
    if options.json:
        options.json.write_text(json.dumps([row.to_json() for row in rows], indent=2) + "\n")
    if options.plot and plot(rows, options.plot):
        console.print(f"The curves are drawn in {options.plot}.")
    if options.cost and (text := coefficients_yaml(rows)):
        options.cost.write_text(text)
        console.print(f"The coefficients for `upshift cost` are in {options.cost}.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of: {', '.join(ROWS)}")
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
    return options


if __name__ == "__main__":
    sys.exit(main())
