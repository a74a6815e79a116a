"""What is, beside what a rule test expects. Each difference comes with the path of what is wrong
below the entry that says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from upshift_agent.contract import Profile

from ..documents.nodes import Path
from ..durations import format_duration
from ..text import show
from . import words
from .document import ExpectEntry, HappenedEntry, LeaseEntry
from .fleet import Member
from .notation import SOME
from .trial import Step, Trial, everyone

Differences = Iterator[tuple[Path, str]]


def at_a_moment(expected: ExpectEntry, trial: Trial) -> Differences:
    """Compare what is expected of a moment with what is; `trial` has come to it."""
    at = f"at {format_duration(expected.at)}"
    if expected.leases is not None:
        for path, message in _leases(expected.leases, trial):
            yield ("leases", *path), f"{at} {message}"
    if expected.hz is not None:
        for path, message in _frequencies(expected.hz, trial):
            yield ("hz", *path), f"{at} {message}"


def _leases(expected: Sequence[LeaseEntry], trial: Trial) -> Differences:
    there_are = [words.facts_of(target, lease, trial.now_ms) for target, lease in trial.leases()]
    wanted = [words.wanted(it) for it in expected]
    found = pairs(
        [[at for at, it in enumerate(there_are) if it.items() >= one.items()] for one in wanted]
    )
    taken = set(found.values())
    others = [it for at, it in enumerate(there_are) if at not in taken]
    for at in (at for at in range(len(wanted)) if at not in found):
        there = f"there is {words.in_words(others.pop(0))}" if others else "there is none"
        yield (at,), f"a lease is missing: {words.in_words(wanted[at])}; {there}"
    for it in others:
        yield (), f"a lease is too many: {words.in_words(it)}"


def pairs(fits: Sequence[Sequence[int]]) -> Mapping[int, int]:
    """Return as many pairs as there can be of positions in `fits` and of what fits there, each in
    one pair."""
    having: dict[int, int] = {}

    def place(at: int, tried: set[int]) -> bool:
        for it in fits[at]:
            if it in tried:
                continue
            tried.add(it)
            if it not in having or place(having[it], tried):
                having[it] = at
                return True
        return False

    for at in range(len(fits)):
        place(at, set())
    return {at: it for it, at in having.items()}


def _frequencies(expected: Mapping[str, Mapping[Profile, int]], trial: Trial) -> Differences:
    runs = everyone(trial)
    rest = {it.name: _rest(it, trial) for it in trial.fleet.members}
    others = set(runs)
    for name, wanted in expected.items():
        some = SOME.fullmatch(name)
        pattern = some[2] if some else name
        meant = [it for it in runs if it in others and (it == pattern or fnmatchcase(it, pattern))]
        as_wanted = [it for it in meant if {**rest[it], **wanted} == runs[it]]
        hz = words.frequencies(wanted)
        if not meant:
            yield (name,), f"there is no agent {show(pattern)}, or it is meant above"
        elif some:
            if len(as_wanted) != int(some[1]):
                said = f"{some[1]} of {pattern} should run at {hz}, and {len(as_wanted)} do"
                yield (name,), said
            meant = as_wanted  # who is not chosen is to be at rest
        else:
            for it in (it for it in meant if it not in as_wanted):
                said = f"{it} should run at {hz}, and runs at {words.frequencies(runs[it])}"
                yield (name,), said
        others.difference_update(meant)
    for it in (it for it in runs if it in others and runs[it] != rest[it]):
        said = f"{it} should be at rest, {words.frequencies(rest[it])}"
        yield (), f"{said}, and runs at {words.frequencies(runs[it])}"


def _rest(it: Member, trial: Trial) -> Mapping[Profile, int]:
    return {profile: trial.hz(it, (), profile) for profile in it.profiles}


def history(expected: Sequence[HappenedEntry], steps: Sequence[Step], start_ms: int) -> Differences:
    """Compare all that is expected to happen with what did."""
    lines = [words.happened(step, entry, start_ms) for step in steps for entry in step.entries]
    for at, it in enumerate(expected):
        wanted = words.wanted(it)
        if at >= len(lines):
            yield ("history", at), f"nothing more happens; expected was {words.line(wanted)}"
        elif not lines[at].items() >= wanted.items():
            said = f"what happens next is {words.line(lines[at])}"
            yield ("history", at), f"{said}; expected was {words.line(wanted)}"
            return  # what follows is shifted, most likely
    for more in lines[len(expected) :]:
        yield ("history",), f"more happens than expected: {words.line(more)}"
