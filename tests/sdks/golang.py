"""The Go that the Go SDK is built with: the machine's where it is new enough, else PyPI's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

NEEDED = (1, 24)
FOLDER = Path(__file__).parents[2] / "agents-sdk" / "go"


@cache
def go() -> str | None:
    """The path of a Go that is new enough, or None. `make test` installs one (group `go`)."""
    beside = Path(sys.executable).with_name("go")
    for found in (shutil.which("go"), str(beside) if beside.exists() else None):
        if found and _version(found) >= NEEDED:
            return found
    return None


def _version(program: str) -> tuple[int, ...]:
    done = subprocess.run(
        [program, "env", "GOVERSION"], capture_output=True, text=True, env=environment()
    )
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


def environment() -> dict[str, str]:
    """No toolchain is downloaded in passing, and modules stay as `go.sum` pins them."""
    kept = {name: value for name, value in os.environ.items() if name != "GOROOT"}
    return kept | {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false -mod=readonly"}


if __name__ == "__main__":  # whether it has to be installed
    sys.exit(0 if go() else 1)
