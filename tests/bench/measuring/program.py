"""A small program that talks in lines, and where the code that it runs comes from."""

from __future__ import annotations

import compileall
import os
import select
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

TREE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Code:
    """A tree of this repository, and an interpreter with what it depends on."""

    tree: Path = TREE
    python: str = sys.executable

    @cached_property
    def sources(self) -> list[Path]:
        """The folders that its packages are in."""
        settings = tomllib.loads((self.tree / "pyproject.toml").read_text())
        return [self.tree / it for it in settings["tool"]["mypy"]["mypy_path"].split(":")]

    def compile(self) -> None:
        """Nothing of it is to be compiled while it is measured, as after an installation."""
        for source in self.sources:
            compileall.compile_dir(source, quiet=2)

    @property
    def prefix(self) -> list[str]:
        """What a command begins with that runs this code, whatever is installed."""
        path = os.pathsep.join(map(str, self.sources))
        return ["env", f"PYTHONPATH={path}", "PYTHONWARNINGS=ignore", self.python]

    def script(self, name: str) -> list[str]:
        """The command of `products/NAME`: its own, since it may reach into the packages."""
        place = Path("tests/bench/products") / name
        tree = self.tree if (self.tree / place).exists() else TREE
        return [*self.prefix, "-u", str(tree / place)]


@dataclass
class Program:
    """It says `ready`, then whatever it was made for. What goes wrong is in `log`."""

    command: Sequence[str]
    log: Path
    _rest: bytes = field(default=b"", init=False, repr=False)

    def __post_init__(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, line: object = "") -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    def line(self, within_s: float = 60.0) -> str:
        """The next line that it says. Raise `AssertionError` if there is none in time."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            readable, _, _ = select.select([descriptor], [], [], within_s)
            assert readable, f"nothing was said for {within_s} s by {self._described()}"
            chunk = os.read(descriptor, 65536)
            assert chunk, f"an end with {self._process.wait()} of {self._described()}"
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def ask(self, line: object = "") -> str:
        self.tell(line)
        return self.line()

    def _described(self) -> str:
        return f"{' '.join(self.command)}\n{self.log.read_text(errors='replace')[-2000:]}"

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
