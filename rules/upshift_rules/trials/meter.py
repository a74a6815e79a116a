"""What the agents of a trial do meanwhile: how many are above their baseline, or capped below it,
by how much, and for how long. Those who share a profiler count once. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from upshift_agent.contract import ALL, CPU, Lease, Profile, matches

from ..leases.draft import filter_key
from .fleet import Fleet, Member
from .trial import Step, Trial

#: What is not at its baseline of an agent: profiles, and how high each is.
Moved = tuple[tuple[str, int], ...]


class Stretch(NamedTuple):
    """Time that a member of a fleet spent off its baseline without a change, in Unix ms.

    member: its position in the fleet. hz: of the profiles that are moved, in their units.
    raised: whether one of them is above the baseline; else a cap holds them below it.
    """

    member: int
    start_ms: int
    end_ms: int
    hz: Moved
    raised: bool

    @property
    def ms(self) -> int:
        return self.end_ms - self.start_ms


class Meter:
    """Looks at agents whenever what they follow changes."""

    def __init__(self, fleet: Fleet, profiles: Sequence[Profile]) -> None:
        self._fleet = fleet
        self._profiles = profiles
        self._resting: dict[tuple[int, str], int] = {}
        self._asked: dict[tuple[str, str], Collection[int]] = {}
        #: Since when, and how high, of those that are moved.
        self._moved: dict[int, tuple[int, Moved]] = {}
        self._level = self._since_ms = 0
        #: How many of those who share a profiler are raised.
        self._sharing: Counter[str] = Counter()
        self.stretches: list[Stretch] = []
        #: The most agents that were raised at the same time.
        self.most = 0

    def look(self, trial: Trial, step: Step) -> None:
        """Look at whom a change is about."""
        if not (changed := _changed(step.before.leases, step.after.leases)):
            return
        profiles = {it.profile for it in changed}
        for index in sorted(set().union(*(self._meant(step.after.target, it) for it in changed))):
            since_ms, former = self._moved.get(index, (0, ()))
            hz = self._hz(trial, index, former, profiles)
            if hz != former:
                self._change(index, since_ms, former, hz, step.at_ms)

    def finish(self, now_ms: int) -> None:
        """Note what lasts until now."""
        for index, (since_ms, hz) in list(self._moved.items()):
            self._change(index, since_ms, hz, (), now_ms)

    def _change(self, index: int, since_ms: int, former: Moved, hz: Moved, now_ms: int) -> None:
        if now_ms > self._since_ms:  # what lasts no time is nobody's business
            self.most, self._since_ms = max(self.most, self._level), now_ms
        was_up, is_up = self._is_up(index, former), self._is_up(index, hz)
        self._move(self._fleet.members[index], is_up - was_up)
        if former and now_ms > since_ms:
            self.stretches.append(Stretch(index, since_ms, now_ms, former, was_up))
        if hz:
            self._moved[index] = now_ms, hz
        else:
            del self._moved[index]

    def _move(self, member: Member, by: int) -> None:
        """One more is raised, or (-1) one less; those who share a profiler are one."""
        if member.profiler is None:
            self._level += member.count * by
            return
        self._level -= self._sharing[member.profiler] > 0
        self._sharing[member.profiler] += by
        self._level += self._sharing[member.profiler] > 0

    def _meant(self, target: str, lease: Lease) -> Collection[int]:
        """The members that follow a target and are what a lease asks for."""
        key = target, filter_key(lease.where)
        if key not in self._asked:
            members = self._fleet.members
            self._asked[key] = [
                index
                for index in self._fleet.followers(target)
                if matches(lease, members[index].attributes)
            ]
        return self._asked[key]

    def _hz(self, trial: Trial, index: int, former: Moved, profiles: Collection[str]) -> Moved:
        """What a member runs at, of the profiles that are not at its baseline. former: what it ran
        at before leases for `profiles` changed."""
        plans = trial.plans(self._fleet.followed[index])
        if not plans:
            return ()
        member = self._fleet.members[index]
        known: dict[str, int | None] = dict(former)
        for it in self._profiles:
            if it in member.profiles and (it in profiles or ALL in profiles):
                now_hz = trial.hz(member, plans, it)
                known[it] = None if now_hz == self._rest(trial, index, it) else now_hz
        return tuple((it, hz) for it in self._profiles if (hz := known.get(it)) is not None)

    def _is_up(self, index: int, hz: Moved) -> bool:
        return any(of > self._resting[index, profile] for profile, of in hz)

    def _rest(self, trial: Trial, index: int, profile: str) -> int:
        key = index, profile
        if key not in self._resting:
            self._resting[key] = trial.hz(self._fleet.members[index], (), profile)
        return self._resting[key]


def _changed(before: Sequence[Lease], after: Sequence[Lease]) -> list[Lease]:
    """Return the leases that have come, gone, or are for others: one that only runs on makes no
    difference now."""
    was, there_is = ({it.id: it for it in leases} for leases in (before, after))
    changed = [it for it in before if it.id not in there_is]
    for it in after:
        if (former := was.get(it.id)) is None:
            changed.append(it)
        elif former is not it and replace(former, expires_at_ms=it.expires_at_ms) != it:
            changed += [former, it]
    return changed


def hz_seconds(trial: Trial, stretches: Sequence[Stretch], span_ms: int) -> tuple[float, float]:
    """Return the Hz of cpu summed over all profilers and seconds of a span, and the seconds in
    which they ran. One that agents share runs at the highest that any of them wants."""
    members = trial.fleet.members
    resting = [trial.hz(it, ()) for it in members]
    moved: defaultdict[int, list[Stretch]] = defaultdict(list)
    for it in stretches:
        moved[it.member].append(it)
    shared: defaultdict[str, list[int]] = defaultdict(list)
    hz_ms = running_ms = 0
    for index, one in enumerate(members):
        if one.profiler is not None:
            shared[one.profiler].append(index)
            continue
        for hz, ms in _course([index], resting, moved, span_ms):
            hz_ms += one.count * hz * ms
            running_ms += one.count * ms * bool(hz)
    for indexes in shared.values():
        for hz, ms in _course(indexes, resting, moved, span_ms):
            hz_ms += hz * ms
            running_ms += ms * bool(hz)
    return hz_ms / 1000, running_ms / 1000


def _course(
    members: Sequence[int],
    resting: Sequence[int],
    moved: Mapping[int, Sequence[Stretch]],
    span_ms: int,
) -> Iterator[tuple[int, int]]:
    """Yield what one profiler of these members ran at in Hz of cpu, and for how many ms."""
    now = {index: resting[index] for index in members}
    changes = [
        change
        for index in members
        for it in moved.get(index, ())
        for change in (
            (it.start_ms, 1, index, dict(it.hz).get(CPU, resting[index])),
            (it.end_ms, 0, index, resting[index]),
        )
    ]
    changes.sort()  # where a stretch follows another, that one ends first
    left_ms, since_ms = span_ms, changes[0][0] if changes else 0
    for at_ms, _, index, hz in changes:
        if at_ms > since_ms:
            yield max(now.values()), at_ms - since_ms
            left_ms, since_ms = left_ms - (at_ms - since_ms), at_ms
        now[index] = hz
    yield max(now.values()), left_ms
