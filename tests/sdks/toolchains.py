"""What the languages' own package managers bring."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


def downloads(
    what: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Fetch what a language's own package manager brings. A machine that has neither it nor a way
    to it leaves out what follows, and says so: that is the network's fault, and not the SDK's."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"{what} are not to be had here: {error}")
    if done.returncode:
        pytest.skip(f"{what} are not to be had here: {(done.stderr or done.stdout)[-500:]}")
