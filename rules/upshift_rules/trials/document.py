"""Rule tests as files: what they may say. JSON Schema and the reference in `rules/README.md` follow
these models. What becomes of a test is in `testing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema

from upshift_agent.contract import ALL, CPU, PROFILES, Profile

from ..documents.fields import (
    BaselineHz,
    Line,
    Moment,
    Name,
    RestingHz,
    Text,
    TextOrTexts,
)
from ..documents.located import Located, Section, must_be, read_located
from ..documents.nodes import Path
from ..durations import format_duration, parse_duration
from ..leases.changes import Event
from ..text import show
from .agents import AgentsDocument
from .beside.entries import (
    START_MS,
    AlertEntry,
    AnswerEntry,
    RolledOutEntry,
    Start,
    VersionEntry,
)

MAX_ALERTS = 1000


class LeaseEntry(Section):
    """What is known of a lease; what is left out may be anything."""

    target: Text | None = Field(default=None, description="service/NAME, node/NAME or fleet.")
    rule: Name | None = Field(
        default=None, description="Whose it is: high_cpu, of other profiles high_cpu:wall."
    )
    schedule: Name | None = Field(default=None, description="Or this schedule's.")
    kind: Annotated[Literal["boost", "cap"], must_be("boost or cap")] | None = Field(
        default=None, description="boost or cap."
    )
    profile: Annotated[Profile | Literal["all"], must_be(", ".join((*PROFILES, ALL)))] | None = (
        Field(default=None, description="What it raises; of a cap perhaps all.")
    )
    hz: BaselineHz | None = Field(default=None, description="How high; of heap, snapshots an hour.")
    left: Moment | None = Field(default=None, description="How long it still lasts.")
    where: dict[Text, TextOrTexts] | None = Field(
        default=None, description="The attributes that agents must have, all of them."
    )
    fraction: float | None = Field(default=None, description="For which share of the agents.")


_HZ = "Hz, or Hz by profile such as {cpu: 97, wall: 97}"


def _by_profile(value: object) -> object:
    return value if isinstance(value, dict) else {CPU: value}


RunsAt = Annotated[
    dict[Annotated[Profile, must_be(", ".join(PROFILES))], RestingHz],
    Field(min_length=1),
    BeforeValidator(_by_profile),
    must_be(_HZ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            ]
        }
    ),
]


class ExpectEntry(Section):
    """What is to be at one moment. Whatever is not named is not looked at."""

    at: Moment = Field(description="When, from the test's beginning.", examples=["5m"])
    leases: list[LeaseEntry] | None = Field(
        default=None, description="All that live then, and no others."
    )
    hz: dict[Text, RunsAt] | None = Field(
        default=None,
        description="What agents run at, by name; `shop/*` means all whose names fit, "
        "`1 of shop/*` so many of them. Whoever is not named is to be at rest.",
        examples=['{"shop/*": 99}'],
    )


class HappenedEntry(Section):
    """A line of the history; what is left out may be anything."""

    at: Moment = Field(description="When, from the test's beginning.")
    event: Annotated[Event, must_be(", ".join(get_args(Event)))] = Field(
        description="What happened to a lease."
    )
    target: Text | None = Field(default=None, description="service/NAME, node/NAME or fleet.")
    rule: Name | None = Field(default=None, description="Whose lease it is.")
    schedule: Name | None = Field(default=None, description="Or which schedule's.")
    hz: BaselineHz | None = Field(default=None, description="The lease's frequency.")


class RuleTestEntry(Section):
    """One test: alerts, and what is to come of them."""

    name: Line = Field(description="What it claims.", min_length=1, max_length=200)
    alerts: list[AlertEntry] = Field(
        default_factory=list, max_length=MAX_ALERTS, description="What Alertmanager tells."
    )
    rollouts: list[RolledOutEntry] = Field(
        default_factory=list, max_length=MAX_ALERTS, description="Rollouts, as they are told."
    )
    versions: list[VersionEntry] = Field(
        default_factory=list,
        max_length=MAX_ALERTS,
        description="What agents report of versions, from which rollouts are worked out.",
    )
    answers: list[AnswerEntry] = Field(
        default_factory=list,
        max_length=MAX_ALERTS,
        description="What Prometheus answers to guards. Without any, only_if is taken to be true, "
        "and stop_if to be false.",
    )
    starts: Start = Field(
        default=START_MS,
        description="When the test begins, for schedules. Default: 2026-01-01T00:00:00Z.",
        json_schema_extra={"default": "2026-01-01T00:00:00Z"},
        examples=["2026-03-29T00:30:00Z"],
    )
    expect: list[ExpectEntry] = Field(
        default_factory=list, description="What is to be, at which moments."
    )
    history: list[HappenedEntry] | None = Field(
        default=None, description="All that is to happen until the last moment named, in order."
    )

    @property
    def end_ms(self) -> int:
        """The last moment that is named."""
        told = [it.resolves or it.fires for it in self.alerts]
        told += [*(it.at for it in self.rollouts), *(it.at for it in self.answers)]
        told += [it.ends or it.reports for it in self.versions]
        return max(
            [0, *told, *(it.at for it in self.expect), *(it.at for it in self.history or ())]
        )


class RuleTestsDocument(AgentsDocument):
    """Tests of Upshift's rules."""

    rules: Line = Field(
        description="File with the rules, or upshift.yaml, as seen from here.",
        examples=["sampling.yaml"],
    )
    agents_from: Line | None = Field(
        default=None, description="File with more `agents:`, as seen from here."
    )
    tests: list[RuleTestEntry] = Field(min_length=1, description="The tests.")

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        yield from super().across(data)
        tests = data.get("tests")
        for index, it in enumerate(tests if isinstance(tests, list) else ()):
            if isinstance(it, dict):
                for path, message in _faults(it):
                    yield ("tests", index, *path), message


def _faults(test: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
    """What lies between the fields of one test."""
    if not test.get("expect") and test.get("history") is None:
        yield (), "this test looks at nothing; add expect or history"
    for name, begins, ends in (("alerts", "fires", "resolves"), ("versions", "reports", "ends")):
        for index, entry in _entries(test, name):
            try:
                begin_ms = parse_duration(entry.get(begins, "0s"))
                end_ms = parse_duration(entry[ends])
            except (KeyError, TypeError, ValueError):
                continue
            if end_ms <= begin_ms:
                said = f"must be after it {begins}, at {format_duration(begin_ms)}"
                yield (name, index, ends), f"{ends} {said}, got {show(entry[ends])}"
    for index, entry in _entries(test, "answers"):
        if (entry.get("only_if") is None) == (entry.get("stop_if") is None):
            yield ("answers", index), "say what is answered to one of only_if and stop_if"


def _entries(test: Mapping[str, Any], name: str) -> Iterable[tuple[int, Mapping[str, Any]]]:
    entries = test.get(name)
    for index, it in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(it, dict):
            yield index, it


def read_tests(text: str | bytes, filename: str) -> Located[RuleTestsDocument]:
    """Read a file of rule tests. Raise `DocumentError` with every fault."""
    return read_located(text, filename, RuleTestsDocument)
