"""`attack_process`, to hand: so that this process has the time to measure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Attacker:
    process: subprocess.Popen[str]

    @contextmanager
    def doing(self, *attacks: str) -> Iterator[Counter[str]]:
        """Each of `attacks` by a thread, again and again. Afterwards: how each was answered."""
        answers: Counter[str] = Counter()
        self._say(" ".join(attacks))
        try:
            yield answers
        finally:
            self._say("")
            assert self.process.stdout is not None
            answers.update(json.loads(self.process.stdout.readline()))

    def _say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


@contextmanager
def attacker(url: str, redis_url: str) -> Iterator[Attacker]:
    process = subprocess.Popen(
        [sys.executable, "-m", "reliability.floods.attack_process", url, redis_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield Attacker(process)
    finally:
        process.kill()
        process.communicate()
