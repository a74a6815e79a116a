"""What a worker was asked for, says that it does, and was measured to do. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from .busy_time import BusyTime
from .receiver import Profile, Rate, measure

#: Samples are right to 10 %, or to so many standard deviations where they are too few for that.
TOLERANCE = 0.1
DEVIATIONS = 4


@dataclass(slots=True)
class Worker:
    """One busy worker. requested, applied: Hz, as the controller shows them."""

    name: str
    busy_time: BusyTime
    profiles: list[Profile] = field(default_factory=list)
    requested: int | None = None
    applied: int | None = None
    converged: bool = False
    error: str | None = None

    def report(self, agent: Mapping[str, Any]) -> None:
        """Take in what the controller's API says of its agent."""
        self.requested = agent["requested"]["profiles"]["cpu"]["hz"]
        self.applied = agent["applied"] and agent["applied"]["profiles"]["cpu"]["hz"]
        self.converged = agent["converged"]
        self.error = agent["error"]

    def runs_at(self, hz: int) -> bool:
        return self.converged and self.applied == hz

    def rate(self, profiles: Sequence[Profile]) -> Rate:
        """The samples of those of its profiles whose busy time is known."""
        known = [
            profile
            for profile in profiles
            if self.busy_time.covers(profile.from_s, profile.until_s)
        ]
        return measure(known, -math.inf, math.inf, self.busy_time.busy)

    def stretches(self) -> list[list[Profile]]:
        """Its profiles in order of time; each change of period begins a new stretch."""
        ordered = sorted(self.profiles, key=lambda profile: profile.from_s)
        return [list(run) for _, run in groupby(ordered, lambda profile: profile.period_ns)]

    def latest(self) -> Rate:
        """What it was measured at since its period changed last; nothing while it stands still."""
        stretches = self.stretches()
        return self.rate(stretches[-1]) if stretches and self.applied != 0 else total([])


@dataclass(frozen=True, slots=True)
class Phase:
    """One leg of the cycle, all workers together. `clean`: each profile had the right period."""

    name: str
    hz: int
    rate: Rate
    clean: bool

    @property
    def right(self) -> bool:
        measured, spread = self.rate.per_cpu_second, deviation(self.rate)
        if measured is None or spread is None:
            return False
        tolerance = max(TOLERANCE * self.hz, DEVIATIONS * spread)
        return self.clean and abs(measured - self.hz) <= tolerance


def phases(workers: Iterable[Worker], expected: Sequence[tuple[str, int]]) -> list[Phase]:
    """Each expected phase (name, Hz) with what came of it."""
    runs = [(worker, worker.stretches()) for worker in workers]
    in_step = all(len(stretches) == len(expected) for _, stretches in runs)
    found = []
    for place, (name, hz) in enumerate(expected):
        mine = [(worker, row[place]) for worker, row in runs if place < len(row)]
        clean = all(one_period(profile, hz) for _, run in mine for profile in run)
        rate = total([worker.rate(run) for worker, run in mine])
        found.append(Phase(name, hz, rate, in_step and clean))
    return found


def one_period(profile: Profile, hz: int) -> bool:
    """pyroscope-io writes a period in whole nanoseconds, rounded down."""
    return profile.one_period and profile.period_ns == 1_000_000_000 // hz


def deviation(rate: Rate) -> float | None:
    """Hz. The profiler draws the pauses between samples at random, so n of them are right to √n."""
    return math.sqrt(rate.samples) / rate.cpu_seconds if rate.cpu_seconds else None


def total(rates: Sequence[Rate]) -> Rate:
    return Rate(
        samples=sum(rate.samples for rate in rates),
        seconds=sum(rate.seconds for rate in rates),
        cpu_seconds=sum(rate.cpu_seconds or 0 for rate in rates),
    )
