"""Each row as a process of its own: those that mostly wait side by side, the others alone.

A row that dies, or never ends, is a broken row; it takes no other with it. Whatever it started is
in its process group, and ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .rows import BUSY
from .table import Row, Size

SIDE_BY_SIDE = 3
#: Five times what the longest row takes.
PATIENCE_S = 600
#: Told of each row as it ends, and how many seconds it took.
Ended = Callable[[str, Row, float], None]


async def run(names: Sequence[str], size: Size, ended: Ended) -> list[Row]:
    """The rows, in the order of `names`."""
    lanes = asyncio.Semaphore(SIDE_BY_SIDE)
    rows: dict[str, Row] = {}

    async def run_one(name: str) -> None:
        async with lanes:
            began = time.monotonic()
            rows[name] = await _process(name, size)
            ended(name, rows[name], time.monotonic() - began)

    async with asyncio.TaskGroup() as together:
        for name in names:
            if name not in BUSY:
                together.create_task(run_one(name))
    for name in names:
        if name in BUSY:
            await run_one(name)
    return [rows[name] for name in names]


async def _process(name: str, size: Size) -> Row:
    with tempfile.TemporaryDirectory(prefix="upshift-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        command = [sys.executable, "-m", "reliability.row_process", name, str(folder)]
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                *([] if size.full else ["--small"]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        why = f"not done within {PATIENCE_S} s"
        try:
            async with asyncio.timeout(PATIENCE_S):
                why = f"ended with {await process.wait()}"
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        try:
            return Row(**json.loads((folder / "row.json").read_text()))
        except FileNotFoundError:
            said = (folder / "log").read_text(errors="replace")[-2000:]
            return Row(fault=name, injected=0, promised="", worst="", broken=[why, said])
