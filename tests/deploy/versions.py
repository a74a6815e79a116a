"""Programs of others: what they print, and of which version they say they are."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def output(*command: str) -> str:
    """What it prints, run in the root. Raise `OSError` with its complaints where it fails."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    if run.returncode:
        raise OSError((run.stderr + run.stdout).strip())
    return run.stdout + run.stderr


def said_by(*command: str) -> str:
    """The first number with a dot in what `command` prints, or else the first number.

    Raise `OSError` where there is no such program, `LookupError` where it says none.
    """
    text = output(*command)
    found = re.search(r"\d+\.\d[\w.-]*", text) or re.search(r"\d+", text)
    if found is None:
        raise LookupError(text)
    return found[0]
