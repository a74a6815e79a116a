"""Which method of `fallback_strategy` profiles a workload, why, and when another one is tried.

Pure: handed `now` in monotonic seconds. Each profile is carried by the first way, by priority, that
can raise it, can work here and is not at rest. A way that fails `FAILURES` times in a row gives way
to the next, and has its turn again `REST_S` later. It is then on probation for `PROBATION_S`, in
which a single failure sends it back to rest: what does not work changes nothing more often than
every 5 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from upshift_agent.contract import one_line

Method = Literal["ebpf", "push", "pull"]

FAILURES = 3
REST_S = 300.0
#: A status has room for that of each method.
MAX_WHY = 120  # characters
#: Long enough for several windows, which are 15 s long at most.
PROBATION_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to profile a workload: a driver, by its name.

    cannot: why it cannot work here at all, in one line; None where it can.
    """

    name: str
    method: Method
    profiles: frozenset[str]
    cannot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How a way has done. failures: in a row. why: what it failed of last."""

    failures: int = 0
    rests_until: float | None = None
    probation_until: float | None = None
    why: str = ""

    def at_rest(self, now: float) -> bool:
        return self.rests_until is not None and now < self.rests_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """carriers: the way's name by profile. missing: profiles that nothing can raise here.

    reasons: by way that comes before a carrier, or that nothing came after, why it does not run.
    again_at: when the answer changes by itself; None for not at all.
    """

    carriers: Mapping[str, str]
    missing: frozenset[str]
    reasons: Mapping[str, str]
    again_at: float | None

    @property
    def reason(self) -> str:
        """Which way runs and why not the ones before it, in one line."""
        return self.reason_with({})

    def reason_with(self, said: Mapping[str, str | None]) -> str:
        """The same; said: what the drivers that run say of themselves, by way."""
        names = dict.fromkeys(self.carriers.values())
        running = (
            ", ".join(f"{it}: {more}" if (more := said.get(it)) else it for it in names)
            or "nothing"
        )
        instead = "; ".join(
            f"not {name}: {one_line(why, MAX_WHY)}" for name, why in self.reasons.items()
        )
        return f"{running} ({instead})" if instead else running


def in_order(ways: Iterable[Way], priorities: Mapping[Method, int]) -> tuple[Way, ...]:
    """Those whose method is in `priorities`, the lowest number first, else as they come."""
    known = [way for way in ways if way.method in priorities]
    return tuple(sorted(known, key=lambda way: priorities[way.method]))


def choose(
    ways: Sequence[Way],
    records: Mapping[str, Record],
    now: float,
    profiles: Iterable[str] | None = None,
) -> Choice:
    """Which of `ways`, in order, carries each of `profiles`; None: of all that any could raise."""
    carriers: dict[str, str] = {}
    reasons: dict[str, str] = {}
    could = frozenset().union(*(way.profiles for way in ways))
    wanted = could if profiles is None else frozenset(profiles)
    resting: list[float] = []
    for way in ways:
        record = records.get(way.name, Record())
        news = way.profiles & wanted - carriers.keys()
        if not news:
            continue
        if way.cannot is not None:
            reasons[way.name] = way.cannot
        elif record.at_rest(now):
            reasons[way.name] = f"failed {record.failures} times in a row: {record.why}"
            if record.failures == 1:
                reasons[way.name] = f"failed again: {record.why}"
            resting.append(record.rests_until or now)
        else:
            carriers |= dict.fromkeys(sorted(news), way.name)
    return Choice(
        carriers=carriers,
        missing=wanted - carriers.keys(),
        reasons=reasons,
        again_at=min(resting, default=None),
    )


def tried(record: Record, now: float) -> Record:
    """The record of a way that begins to carry now."""
    if record.rests_until is None or record.at_rest(now):
        return record
    return Record(probation_until=now + PROBATION_S, why=record.why)


def failed(record: Record, why: str, now: float, times: int = 1) -> Record:
    """The record after `times` failures in a row, of which the last was because of `why`."""
    on_probation = record.probation_until is not None and now < record.probation_until
    failures = record.failures + times
    if failures >= FAILURES or on_probation:
        return Record(failures=failures, rests_until=now + REST_S, why=why)
    return replace(record, failures=failures, why=why)


def worked(record: Record, now: float) -> Record:
    """The record of a way that carries, and whose last attempt was a success."""
    if record.at_rest(now):
        return record
    if record.probation_until is not None and now < record.probation_until:
        return replace(record, failures=0)
    return Record()
