"""What programs say of their version."""

from __future__ import annotations

import re
import subprocess


def said_by(*command: str) -> str:
    """The first number with a dot in what `command` prints, or the first number. Raise `OSError`
    where there is no such program, `LookupError` where it says none."""
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    text = run.stdout + run.stderr
    found = re.search(r"\d+\.\d[\w.-]*", text) or re.search(r"\d+", text)
    if found is None:
        raise LookupError(text)
    return found[0]
