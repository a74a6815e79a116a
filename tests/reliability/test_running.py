"""What runs the rows: whatever becomes of one, the others are run, and nothing is left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from servers import eventually

from .running import run
from .table import Size

TESTS = Path(__file__).parents[1]


def test_a_row_that_dies_is_a_broken_row_and_takes_no_other_with_it(monkeypatch) -> None:
    monkeypatch.chdir(TESTS)
    ended: list[str] = []
    died, held = asyncio.run(
        run(
            ["no-such-row", "forks"],
            Size(full=False),
            lambda name, row, took_s: ended.append(name),
        )
    )
    assert held.held
    assert "KeyError: 'no-such-row'" in died.broken[-1]
    assert ended == ["no-such-row", "forks"]


def test_told_to_stop_it_ends_all_that_it_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reliability", "network-cut", "all-killed"]
    process = subprocess.Popen(command, cwd=TESTS, env=os.environ | {"TMPDIR": str(tmp_path)})
    try:
        eventually(lambda: len(_of(tmp_path)) >= 6, within_s=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    finally:
        process.kill()
        process.wait()
    eventually(lambda: not _of(tmp_path))
    assert list(tmp_path.iterdir()) == []


def _of(folder: Path) -> list[str]:
    """Processes whose command line names something in `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found
