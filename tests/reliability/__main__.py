"""`make reliability`: inject every fault, print the table; exit 1 unless every promise held."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from rich.console import Console

from .rows import FAULTS
from .table import Row, Size, show


def main() -> int:
    parser = argparse.ArgumentParser(prog="make reliability", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(FAULTS)}")
    parser.add_argument("--small", action="store_true", help="as `make test` runs them")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(FAULTS)
    if unknown:
        parser.error(f"no row is called {min(unknown)}; there are: {', '.join(FAULTS)}")
    console = Console()
    rows: list[Row] = []
    for name in arguments.rows or FAULTS:
        began = time.monotonic()
        console.print(f"{name} … ", end="")
        with tempfile.TemporaryDirectory(prefix="upshift-") as folder:
            try:
                row = FAULTS[name](Path(folder), Size(full=not arguments.small))
            except Exception as error:  # noqa: BLE001  # a broken row must not hide the others
                traceback.print_exc()
                row = Row(fault=name, injected=0, promised="", worst="", broken=[repr(error)])
        rows.append(row)
        console.print(f"{'held' if row.held else 'BROKEN'} in {time.monotonic() - began:.0f} s")
    show(rows, console)
    return 0 if all(row.held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
