"""The languages' own tools: the machine's, or where it has none that is new enough, PyPI's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from parts import BUILD, program


def enough(name: str, asks: Sequence[str], needed: tuple[int, ...], part: str, within: str) -> Path:
    """The program `name`, of which `asks` says the version: on the PATH if it is new enough, else
    the file `within` the part, which is installed."""
    found = shutil.which(name)
    if found is not None:
        said = subprocess.run([found, *asks], capture_output=True, text=True, check=True).stdout
        version = re.search(r"(\d+)\.(\d+)", said)
        if version is not None and tuple(map(int, version.groups())) >= needed:
            return Path(found)
    subprocess.run(["sh", BUILD, part], env=os.environ | {"PYTHON": sys.executable}, check=True)
    return program(part) / within


def downloads(
    what: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Fetch what a language's own package manager brings. A machine that has neither it nor a way
    to it leaves out what follows, and says so: that is the network's fault, and not the SDK's."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        pytest.skip(f"{what} are not to be had here: {(done.stderr or done.stdout)[-500:]}")
