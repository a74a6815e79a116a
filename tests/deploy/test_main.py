"""`make deploy-test` as a whole, but for its tests."""

from __future__ import annotations

import os
import subprocess
import sys

from deploy.table import ROOT


def test_every_test_that_the_table_names_is_found() -> None:
    """In a process of its own: what the parts import must not be in pytest's way."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy"],
        cwd=ROOT / "tests",
        env={**os.environ, "PYTEST_ADDOPTS": "--collect-only"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests collected" in done.stdout
    assert "not run here" in done.stdout
