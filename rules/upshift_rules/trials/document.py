"""Rule tests as files: what they may say. JSON Schema and the reference in `rules/README.md` follow
these models. What becomes of a test is in `testing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from upshift_agent.contract import CPU, PROFILES, Profile

from ..documents.fields import (
    BaselineHz,
    Duration,
    Hz,
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
from ..rollouts import LABELS
from ..text import show
from .agents import AgentsDocument
from .notation import LIKE, labels_of

MAX_ALERTS = 1000


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, str):
        raise ValueError(f"{LIKE}, got {show(value)}")
    return labels_of(value)


class AlertEntry(Section):
    """An alert, and when Alertmanager tells of it. Moments count from the test's beginning."""

    alert: Annotated[
        dict[str, str], PlainValidator(_labels), WithJsonSchema({"type": "string"})
    ] = Field(
        description="Its labels, as Prometheus writes them.",
        examples=['HighCPU{service="checkout"}'],
    )
    fires: Moment = Field(
        default=0,
        description="When it begins to fire, and is told. Default: 0s.",
        json_schema_extra={"default": "0s"},
    )
    every: Duration | None = Field(
        default=None,
        description="How often it is told again while it fires, as by the route's repeat_interval. "
        "Default: never.",
    )
    resolves: Moment | None = Field(
        default=None, description="When it has resolved, and that is told. Default: it fires on."
    )


class RolledOutEntry(Section):
    """A rollout: agents of a service begin to live in a version, after others. All agents of a test
    live throughout, those of the version too."""

    service: Text = Field(description="Whose it is.", examples=["checkout"])
    version: Text = Field(description="Which one begins to live.", examples=["2.1.0"])
    environment: Text | None = Field(default=None, description="In this environment.")
    namespace: Text | None = Field(default=None, description="In this Kubernetes namespace.")
    service_namespace: Text | None = Field(default=None, description="In this service's namespace.")
    cluster: Text | None = Field(default=None, description="In this Kubernetes cluster.")
    at: Moment = Field(
        default=0, description="When. Default: 0s.", json_schema_extra={"default": "0s"}
    )

    @property
    def attributes(self) -> dict[str, str]:
        """Those that name the version."""
        found = {attribute: getattr(self, label) for attribute, label in LABELS.items()}
        return {attribute: value for attribute, value in found.items() if value is not None}


class LeaseEntry(Section):
    """What is known of a lease; what is left out may be anything."""

    target: Text | None = Field(default=None, description="service/NAME, node/NAME or fleet.")
    rule: Name | None = Field(
        default=None, description="Whose it is: high_cpu, of other profiles high_cpu:wall."
    )
    profile: Annotated[Profile, must_be(", ".join(PROFILES))] | None = Field(
        default=None, description="What it raises."
    )
    hz: Hz | None = Field(default=None, description="How high; of heap, snapshots an hour.")
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
    hz: BaselineHz | None = Field(default=None, description="The lease's frequency.")


class RuleTestEntry(Section):
    """One test: alerts, and what is to come of them."""

    name: Line = Field(description="What it claims.", min_length=1, max_length=200)
    alerts: list[AlertEntry] = Field(
        default_factory=list, max_length=MAX_ALERTS, description="What Alertmanager tells."
    )
    rollouts: list[RolledOutEntry] = Field(
        default_factory=list, max_length=MAX_ALERTS, description="What agents tell of versions."
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
        told += [it.at for it in self.rollouts]
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
    alerts = test.get("alerts")
    for index, alert in enumerate(alerts if isinstance(alerts, list) else ()):
        if not isinstance(alert, dict):
            continue
        try:
            fires_ms = parse_duration(alert.get("fires", "0s"))
            resolves_ms = parse_duration(alert["resolves"])
        except (KeyError, TypeError, ValueError):
            continue
        if resolves_ms <= fires_ms:
            said = f"must be after it fires, at {format_duration(fires_ms)}"
            yield ("alerts", index, "resolves"), f"resolves {said}, got {show(alert['resolves'])}"


def read_tests(text: str | bytes, filename: str) -> Located[RuleTestsDocument]:
    """Read a file of rule tests. Raise `DocumentError` with every fault."""
    return read_located(text, filename, RuleTestsDocument)
