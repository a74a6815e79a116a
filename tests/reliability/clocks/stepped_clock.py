"""Clocks that are moved while a program runs: see `stepped_clock.c`."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


class SteppedClock:
    """The clocks of all processes that are started in its `environment`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        library, self._steps = folder / "stepped_clock.so", folder / "clock"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._steps.touch()
        self.show()
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_STEP": str(self._steps)}

    def show(self, *, wall_s: int = 0, boot_s: int = 0) -> None:
        """From now on: the wall clock, and the one that counts suspends, off by so many seconds."""
        with self._steps.open("r+b") as file:  # it is mapped, so never truncated
            file.write(struct.pack("qq", wall_s, boot_s))
