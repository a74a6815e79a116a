"""One row: inject its fault in a folder, and leave there what was seen, as row.json."""

import dataclasses
import json
import sys
from pathlib import Path

from .rows import FAULTS
from .table import Size


def main(name: str, folder: str, *small: str) -> None:
    row = FAULTS[name](Path(folder), Size(full=not small))
    (Path(folder) / "row.json").write_text(json.dumps(dataclasses.asdict(row)))


if __name__ == "__main__":
    main(*sys.argv[1:])
