"""A window: what one profiler saw of one workload at one frequency. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from upshift_agent import Profile

#: Functions from the root to where it was seen, innermost last.
Stack = tuple[str, ...]

#: Profiles whose samples stand for time: each for one period of the frequency.
TIMED: Final[tuple[Profile, ...]] = ("cpu", "wall")
#: What the weights of the others count.
UNITS: Final[Mapping[Profile, str]] = {
    "cpu": "nanoseconds",
    "wall": "nanoseconds",
    "alloc": "bytes",
    "lock": "nanoseconds",
    "heap": "bytes",
}
NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What one profiler saw of one workload; it has one profile and one frequency.

    attributes: the workload's OpenTelemetry Resource attributes.
    profiler: which one it was, such as `py-spy`.
    hz: the frequency that was in force, in samples a second (heap: snapshots an hour); above 0.
    began_s, ended_s: Unix time in seconds.
    samples: how often each stack was seen.
    weights: bytes (alloc, heap) or nanoseconds waited (lock) of each stack; None for cpu and wall,
    whose samples weigh one period each.
    threads_s: seconds on a CPU (cpu) or seconds of threads (wall) that were watched, None: unknown.
    """

    attributes: Mapping[str, str]
    profile: Profile
    profiler: str
    hz: int
    began_s: float
    ended_s: float
    samples: Mapping[Stack, int] = field(repr=False)
    weights: Mapping[Stack, int] | None = field(default=None, repr=False)
    threads_s: float | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what would be counted wrongly."""
        if self.profile not in UNITS:
            raise ValueError(f"windows have no {self.profile}; there are: {', '.join(UNITS)}")
        if self.hz <= 0:
            raise ValueError(f"a window has a frequency above 0, got {self.hz}")
        if not self.began_s < self.ended_s:
            raise ValueError(f"a window ends after it began: {self.began_s}, {self.ended_s}")
        if (self.weights is None) != (self.profile in TIMED):
            raise ValueError(f"samples of {self.profile} weigh {UNITS[self.profile]}")

    @property
    def count(self) -> int:
        """How many samples there are."""
        return sum(self.samples.values())

    @property
    def period_ns(self) -> int:
        """Nanoseconds between two samples, rounded down, as Pyroscope makes them of a rate."""
        return NS // self.hz

    @property
    def unit(self) -> str:
        """What `weighed` counts."""
        return UNITS[self.profile]

    def weighed(self) -> Mapping[Stack, int]:
        """What each stack stands for: nanoseconds, or bytes of alloc and heap."""
        if self.weights is not None:
            return self.weights
        return {stack: count * self.period_ns for stack, count in self.samples.items()}
