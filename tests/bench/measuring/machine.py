"""What machine it is, and how much of it others use meanwhile. Linux only."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

#: Cores that others may use before figures are no longer told as verdicts. A quiet machine of two
#: cores shows 0.01 to 0.05: its kernel's own work.
QUIET = 0.1


def cores() -> int:
    return os.cpu_count() or 1


def description() -> str:
    system = f"{platform.system()} {platform.release()}"
    return f"{cores()} cores, {system}, Python {platform.python_version()}"


@dataclass(slots=True)
class Meter:
    """Of what others than we use while we measure, the host that lends the cores included."""

    _began: tuple[float, float] = field(default_factory=lambda: _reading())

    def others(self) -> float:
        """Cores, on average since this was made. Those of ours that still run are counted in."""
        (began, before_s), (now, after_s) = self._began, _reading()
        return max(0.0, after_s - before_s) / (now - began)


def _reading() -> tuple[float, float]:
    """The time, and CPU seconds that were used so far by others than this process and its dead."""
    times = os.times()
    ours_s = times.user + times.system + times.children_user + times.children_system
    user, nice, system, _idle, _iowait, _irq, _softirq, steal = (
        int(ticks) / os.sysconf("SC_CLK_TCK")
        for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return time.monotonic(), user + nice + system + steal - ours_s


def others_in(seconds: float) -> float:
    """Cores that others use while we do nothing."""
    meter = Meter()
    time.sleep(seconds)
    return meter.others()
