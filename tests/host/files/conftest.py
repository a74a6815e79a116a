"""A small real profiler that reads a file, and a keeper of that file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from servers import eventually, free_port
from upshift_host.config.files import FileEntry
from upshift_host.files.keeper import Keeper
from upshift_host.files.setup import Setup

RELOADER = Path(__file__).parent / "programs/reloader.py"
#: Checks a file as `otelcol validate` would: it must hold a number, and no word that is forbidden.
CHECK = "import sys; t = open(sys.argv[1]).read(); sys.exit('it is broken' if 'broken' in t else 0)"
DEADLY = 500


@dataclass
class World:
    folder: Path
    port: int
    stack: ExitStack
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "profiler.conf"

    @property
    def rest(self) -> Path:
        return self.folder / ".profiler.conf.upshift-rest"

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", RELOADER, self.file, self.folder / "log"]
        process = subprocess.Popen(
            [*map(str, command), str(DEADLY), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def setup(self, **entry: Any) -> Setup:
        """By default: a template of ours, SIGHUP, checked."""
        if "number_before" not in entry:
            entry.setdefault("template", "rate: {hz}\n")
        entry.setdefault("reload", {"signal": "HUP"})
        entry.setdefault("process", {"command": f"reloader.py {self.file}"})
        entry.setdefault("check", [sys.executable, "-I", "-S", "-c", CHECK, "{file}"])
        entry.setdefault("in_force_within", "1s")
        found = {"preset": "file", "file": str(self.file), **entry}
        return Setup(FileEntry.model_validate(found), 19)

    def keep(self, **entry: Any) -> Keeper:
        keeper = Keeper(self.setup(**entry))
        self.stack.callback(lambda: keeper.close(2.0))
        keeper.start()
        return keeper

    def loaded(self) -> list[int]:
        """What the profiler has loaded, in order."""
        lines = (self.folder / "log").read_text().splitlines()
        return [int(line.split()[1]) for line in lines]

    def until_loaded(self, hz: int, within_s: float = 30.0) -> None:
        eventually(lambda: self.loaded()[-1:] == [hz], within_s=within_s)

    def says(self) -> str:
        return self.file.read_text()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        made = World(tmp_path, free_port(), stack)
        yield made
        stack.close()
        for process in made.processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
