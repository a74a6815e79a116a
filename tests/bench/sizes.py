"""How much of everything a run takes: full, or so little that it only shows that a row runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Counts, but for `*_s` (seconds)."""

    rounds: int = 5
    changes: int = 40  # changes a round whose way to the driver is timed, one agent
    crowd: int = 1000  # agents
    crowd_processes: int = 2
    crowd_changes: int = 4
    crowd_pause_s: float = 1.0  # until a crowd has reported
    webhooks: int = 2000  # a round, of one alert each
    groups: int = 60  # webhooks a round, of 100 alerts each
    connections: int = 32
    commits: int = 60  # a round
    targets: int = 10_000
    leases: int = 10  # a target
    due: int = 10_000
    statuses: int = 10_000
    status_targets: int = 100
    looks: int = 3  # at the status, a round
    idle_s: float = 40.0
    idle_processes: int = 5
    imports: int = 15
    switches: int = 8  # a round
    window_s: float = 10.0  # of profiling: one round, and one push of pyroscope-io's
    frequencies: tuple[int, ...] = (9, 19, 49, 100)
    agents_curve: tuple[int, ...] = (1, 10, 100, 1000)
    targets_curve: tuple[int, ...] = (10, 100, 1000, 10_000)
    leases_curve: tuple[int, ...] = (1, 10, 100)


FULL = Size()
TINY = Size(
    rounds=1,
    changes=2,
    crowd=4,
    crowd_changes=2,
    crowd_pause_s=0.05,
    webhooks=20,
    groups=2,
    connections=4,
    commits=3,
    targets=20,
    leases=2,
    due=20,
    statuses=20,
    status_targets=2,
    looks=1,
    idle_s=0.3,
    idle_processes=1,
    imports=1,
    switches=1,
    window_s=2.0,
    frequencies=(100,),
    agents_curve=(1, 3),
    targets_curve=(2, 4),
    leases_curve=(1, 3),
)
