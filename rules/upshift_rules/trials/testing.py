"""Runs rule tests, and says what came otherwise. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..documents.located import Located, Problem
from ..documents.nodes import Path
from ..leases.limits import Limits
from ..model import BadTrigger, RuleSet, Trigger
from ..rollouts import in_words, rollout
from ..text import show
from . import comparing
from .beside.told import NO_SOURCES, Answers, Reporting, Sources
from .document import RuleTestEntry, RuleTestsDocument
from .fleet import Fleet, Member
from .notation import identity_of, written
from .trial import Notice, Step, Trial


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
    sources: Sources = NO_SOURCES,
) -> Iterator[Result]:
    """Run the tests of a file. members: agents of another file, beside its own."""
    fleet = Fleet([*members, *located.document.members()])
    for index, test in enumerate(located.document.tests):
        story: list[Happened] = []
        found = [
            located.source.problem(("tests", index, *path), message)
            for path, message in (
                *_of_nobody(test, rules),
                *_run(test, rules, limits, fleet, sources, story),
            )
        ]
        yield Result(test.name, sorted(found), story)


def _of_nobody(test: RuleTestEntry, rules: RuleSet) -> Iterator[tuple[Path, str]]:
    """Answers to guards that no rule has."""
    guards = {
        (it.name, guard)
        for it in rules.rules
        for guard in ("only_if", "stop_if")
        if getattr(it, guard) is not None
    }
    for index, it in enumerate(test.answers):
        if (it.rule, it.guard) not in guards:
            yield ("answers", index, "rule"), f"no rule {show(it.rule)} has a guard {it.guard}"


def _run(
    test: RuleTestEntry,
    rules: RuleSet,
    limits: Limits,
    fleet: Fleet,
    sources: Sources,
    story: list[Happened],
) -> Iterator[tuple[Path, str]]:
    """Run one test, and return what came otherwise; what happens is added to `story`."""
    happened: list[Step] = []
    start_ms, end_ms = test.starts, test.starts + test.end_ms
    planned = sources.planned(rules.schedules, start_ms, end_ms)
    answers = Answers(it.answered(start_ms) for it in test.answers)
    trial = Trial(rules, limits, fleet, happened.append, planned, answers)
    moments: list[tuple[int, int, Notice | int]] = [
        *((notice.at_ms, 0, notice) for notice in _notices(test, sources)),
        *((start_ms + it.at, 1, index) for index, it in enumerate(test.expect)),
        (end_ms, 2, -1),
    ]
    heard = 0
    for at_ms, _, what in sorted(moments, key=lambda it: it[:2]):
        trial.pass_until(at_ms)
        story += _ended(happened[heard:], start_ms)
        if isinstance(what, Notice):
            story += _told(trial, what, start_ms)
        elif what >= 0:
            for path, message in comparing.at_a_moment(test.expect[what], trial):
                yield ("expect", what, *path), message
        heard = len(happened)
    if test.history is not None:
        yield from comparing.history(test.history, happened, start_ms)


def _ended(steps: Sequence[Step], start_ms: int) -> Iterator[Happened]:
    for step in steps:
        for entry in step.entries:
            yield Happened(
                step.at_ms - start_ms, f"{step.after.target} {entry.event}", entry.reason
            )


def _told(trial: Trial, notice: Notice, start_ms: int) -> Iterator[Happened]:
    for trigger, outcomes in zip(notice.triggers, trial.tell(notice), strict=True):
        if isinstance(trigger, BadTrigger):
            continue  # none is made of a test's file
        verb = "fires" if trigger.status == "firing" else "has resolved"
        for it in outcomes:
            whom = f"{it.target} " if it.target else ""
            alert = trigger.kind == "alert"
            what = f"{written(trigger.labels)} {verb}" if alert else in_words(trigger)
            yield Happened(notice.at_ms - start_ms, what, f"{whom}{it.outcome}: {it.reason}")


def _notices(test: RuleTestEntry, sources: Sources) -> list[Notice]:
    """What a controller is told in a test; what is told at one moment, in one go."""
    told: dict[int, list[Trigger]] = {}
    start_ms, over_ms = test.starts, test.starts + test.end_ms + 1
    for it in test.alerts:
        fires_ms = start_ms + it.fires
        end_ms = over_ms if it.resolves is None else start_ms + it.resolves
        fires = Trigger("firing", it.alert, identity_of(it.alert), fires_ms)
        for at_ms in range(fires_ms, end_ms, it.every or over_ms):
            told.setdefault(at_ms, []).append(fires)
        if it.resolves is not None:
            over = fires._replace(status="resolved", ends_at_ms=end_ms)
            told.setdefault(end_ms, []).append(over)
    reporting = [
        Reporting(
            it.attributes, start_ms + it.reports, None if it.ends is None else start_ms + it.ends
        )
        for it in test.versions
    ]
    rolled_out = [rollout(it.attributes, start_ms + it.at) for it in test.rollouts]
    for new in (*rolled_out, *sources.rollouts(reporting, start_ms, over_ms)):
        told.setdefault(new.starts_at_ms, []).append(new)
    return [Notice(at_ms, triggers) for at_ms, triggers in told.items()]
