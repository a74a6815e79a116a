"""Runs rule tests, and says what came otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..documents.located import Located, Problem
from ..documents.nodes import Path
from ..leases.limits import Limits
from ..model import BadTrigger, RuleSet, Trigger
from ..rollouts import in_words, rollout
from . import comparing
from .document import RuleTestEntry, RuleTestsDocument
from .fleet import Fleet, Member
from .notation import identity_of, written
from .trial import Notice, Step, Trial

#: When every test begins, in Unix ms: 2026-01-01T00:00:00Z.
START_MS = 1_767_225_600_000


@dataclass(frozen=True, slots=True)
class Happened:
    """A line of what happened in a test, for people. at_ms: from its beginning."""

    at_ms: int
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test. problems: what came otherwise than expected, and where that is
    written; story: all that happened."""

    name: str
    problems: Sequence[Problem]
    story: Sequence[Happened]


def run_tests(
    located: Located[RuleTestsDocument],
    members: Sequence[Member],
    rules: RuleSet,
    limits: Limits,
) -> Iterator[Result]:
    """Run the tests of a file. members: agents of another file, beside its own."""
    fleet = Fleet([*members, *located.document.members()])
    for index, test in enumerate(located.document.tests):
        story: list[Happened] = []
        found = [
            located.source.problem(("tests", index, *path), message)
            for path, message in _run(test, rules, limits, fleet, story)
        ]
        yield Result(test.name, sorted(found), story)


def _run(
    test: RuleTestEntry, rules: RuleSet, limits: Limits, fleet: Fleet, story: list[Happened]
) -> Iterator[tuple[Path, str]]:
    """Run one test, and return what came otherwise; what happens is added to `story`."""
    happened: list[Step] = []
    trial = Trial(rules, limits, fleet, happened.append)
    moments: list[tuple[int, int, Notice | int]] = [
        *((notice.at_ms, 0, notice) for notice in _notices(test)),
        *((START_MS + it.at, 1, index) for index, it in enumerate(test.expect)),
        (START_MS + test.end_ms, 2, -1),
    ]
    heard = 0
    for at_ms, _, what in sorted(moments, key=lambda it: it[:2]):
        trial.pass_until(at_ms)
        story += _ended(happened[heard:])
        if isinstance(what, Notice):
            story += _told(trial, what)
        elif what >= 0:
            for path, message in comparing.at_a_moment(test.expect[what], trial):
                yield ("expect", what, *path), message
        heard = len(happened)
    if test.history is not None:
        yield from comparing.history(test.history, happened, START_MS)


def _ended(steps: Sequence[Step]) -> Iterator[Happened]:
    for step in steps:
        for entry in step.entries:
            yield Happened(
                step.at_ms - START_MS, f"{step.after.target} {entry.event}", entry.reason
            )


def _told(trial: Trial, notice: Notice) -> Iterator[Happened]:
    for trigger, outcomes in zip(notice.triggers, trial.tell(notice), strict=True):
        if isinstance(trigger, BadTrigger):
            continue  # none is made of a test's file
        verb = "fires" if trigger.status == "firing" else "has resolved"
        for it in outcomes:
            whom = f"{it.target} " if it.target else ""
            alert = trigger.kind == "alert"
            what = f"{written(trigger.labels)} {verb}" if alert else in_words(trigger)
            yield Happened(notice.at_ms - START_MS, what, f"{whom}{it.outcome}: {it.reason}")


def _notices(test: RuleTestEntry) -> list[Notice]:
    """What a controller is told in a test; what is told at one moment, in one go."""
    told: dict[int, list[Trigger]] = {}
    for it in test.alerts:
        starts_ms, end_ms = START_MS + it.fires, START_MS + (it.resolves or test.end_ms + 1)
        fires = Trigger("firing", it.alert, identity_of(it.alert), starts_ms)
        for at_ms in range(starts_ms, end_ms, it.every or end_ms):
            told.setdefault(at_ms, []).append(fires)
        if it.resolves is not None:
            over = fires._replace(status="resolved", ends_at_ms=end_ms)
            told.setdefault(end_ms, []).append(over)
    for new in test.rollouts:
        at_ms = START_MS + new.at
        told.setdefault(at_ms, []).append(rollout(new.attributes, at_ms))
    return [Notice(at_ms, triggers) for at_ms, triggers in told.items()]
