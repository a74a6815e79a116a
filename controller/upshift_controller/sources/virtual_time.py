"""Schedules and rollouts in virtual time, for rule tests and replays: what a controller would ask
for, and tell, in a span of time. Pure, but for zones' files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import chain, takewhile

from upshift_rules.model import Schedule, Trigger
from upshift_rules.rollouts import rollout
from upshift_rules.trials.beside.told import Planned, Reporting, Sources

from .rollouts.deciding import all_told, look, untold
from .rollouts.knowledge import Knowledge, Scope, named
from .rollouts.watching import LOOK_S
from .schedules.windows import changes, window_at, windows

_LOOK_MS = round(LOOK_S * 1000)
#: As of agents that report to one Redis: see `storage.reports.versions`.
SILENCE_MS = 30_000


def planned(schedules: Sequence[Schedule], start_ms: int, end_ms: int) -> Iterator[Planned]:
    """What schedules ask for from `start_ms` until `end_ms`, in order of time."""
    return merge(*(_asked(it, start_ms, end_ms) for it in schedules), key=lambda it: it.at_ms)


def _asked(schedule: Schedule, start_ms: int, end_ms: int) -> Iterator[Planned]:
    opened = window_at(schedule, start_ms)
    begun = takewhile(lambda it: it.starts_at_ms <= end_ms, windows(schedule, start_ms))
    for window in chain([opened] if opened else [], begun):
        at_ms = max(start_ms, window.starts_at_ms)
        for target in schedule.targets:
            yield Planned(at_ms, target, changes(schedule, window))


def rolled_out(reporting: Sequence[Reporting], start_ms: int, end_ms: int) -> list[Trigger]:
    """Return the rollouts that a controller would tell from `start_ms` until `end_ms`, which has
    been there for long, as have versions that report from the start on."""
    known: Knowledge | None = None
    found: list[Trigger] = []
    for now_ms in _looks(reporting, start_ms, end_ms):
        if known is not None:
            # Nothing has happened since; and somebody has looked meanwhile.
            known = replace(known, looked_ms=now_ms - _LOOK_MS)
        known = look(known, _reports(reporting, start_ms, now_ms), now_ms, SILENCE_MS)
        due = list(untold(known))
        found += [rollout(attributes, since_ms) for attributes, since_ms in due]
        known = all_told(known, {since_ms for _, since_ms in due})
    return [it for it in found if start_ms <= it.starts_at_ms <= end_ms]


def _looks(reporting: Sequence[Reporting], start_ms: int, end_ms: int) -> list[int]:
    """Return the looks at which something may be seen to happen: when a version begins to report,
    and when it has been silent for long enough."""
    looks = {start_ms - 2 * SILENCE_MS, start_ms - _LOOK_MS}
    for it in reporting:
        for at_ms in (it.since_ms, None if it.until_ms is None else it.until_ms + SILENCE_MS):
            if at_ms is not None:
                looks.add(at_ms + (start_ms - at_ms) % _LOOK_MS)
    return sorted(it for it in looks if it <= end_ms)


def _reports(
    reporting: Sequence[Reporting], start_ms: int, now_ms: int
) -> dict[Scope, dict[str, int]]:
    """The last reports by version, of those that may be live."""
    found: dict[Scope, dict[str, int]] = {}
    for it in reporting:
        since_ms = it.since_ms if it.since_ms > start_ms else 0
        last_ms = now_ms if it.until_ms is None else min(now_ms, it.until_ms)
        if since_ms <= now_ms < last_ms + 2 * SILENCE_MS:
            scope, version = named(it.attributes)
            reports = found.setdefault(scope, {})
            reports[version] = max(last_ms, reports.get(version, 0))
    return found


SOURCES = Sources(planned, rolled_out)
