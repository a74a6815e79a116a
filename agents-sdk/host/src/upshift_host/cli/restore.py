"""`upshift-agent restore`."""

from __future__ import annotations

from pathlib import Path

from ..config import load
from ..files.of_host import Files

#: In all; a unit's `TimeoutStopSec` is longer.
RESTORE_S = 10.0


def restore(config: Path | None) -> tuple[str, list[str]]:
    """What to print, and what is not at the baseline, a sentence each. Raise `StartRefused`."""
    files = Files(load(config))
    failures = files.restore(RESTORE_S)
    return f"{len(files.shared)} files of profilers are to be at the baseline", failures
