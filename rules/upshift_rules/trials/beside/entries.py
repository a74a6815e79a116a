"""What a rule test tells the trial: alerts, rollouts, versions, and what Prometheus answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema

from ...documents.fields import Duration, Moment, Name, Text
from ...documents.located import Section
from ...guards.answer import Answer, answer_of, unknown
from ...rollouts import LABELS
from ...text import show
from ..notation import LIKE, labels_of
from .told import Answered, Guard


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


class _OfVersion(Section):
    """A version of a service."""

    service: Text = Field(description="Whose it is.", examples=["checkout"])
    version: Text = Field(description="Which one.", examples=["2.1.0"])
    environment: Text | None = Field(default=None, description="In this environment.")
    namespace: Text | None = Field(default=None, description="In this Kubernetes namespace.")
    service_namespace: Text | None = Field(default=None, description="In this service's namespace.")
    cluster: Text | None = Field(default=None, description="In this Kubernetes cluster.")

    @property
    def attributes(self) -> dict[str, str]:
        """Those that name the version."""
        found = {attribute: getattr(self, label) for attribute, label in LABELS.items()}
        return {attribute: value for attribute, value in found.items() if value is not None}


class RolledOutEntry(_OfVersion):
    """A rollout: agents of a service begin to live in a version, after others. All agents of a test
    live throughout, those of the version too."""

    at: Moment = Field(
        default=0, description="When. Default: 0s.", json_schema_extra={"default": "0s"}
    )


class VersionEntry(_OfVersion):
    """A version that agents report. What of that is a rollout is worked out, as by a controller;
    whoever reports at 0s has done so before. Whom a boost reaches is said by `agents`."""

    reports: Moment = Field(
        default=0,
        description="When the first of its agents reports. Default: 0s, or before.",
        json_schema_extra={"default": "0s"},
    )
    ends: Moment | None = Field(
        default=None, description="When the last of them is gone. Default: they live on."
    )


UNKNOWN = "unknown"
_SAYS = "must be a number, a list of numbers (one of each series) or unknown"


def _says(value: object) -> Answer:
    if value == UNKNOWN:
        return unknown("Prometheus does not answer, as this test has it")
    values = []
    for it in value if isinstance(value, list) else [value]:
        if not isinstance(it, int | float) or isinstance(it, bool):
            raise ValueError(f"{_SAYS}, got {show(value)}")
        values.append(float(it))
    return answer_of(values)


_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
Says = Annotated[
    Answer,
    PlainValidator(_says),
    WithJsonSchema({"anyOf": [{"type": "number"}, _NUMBERS, {"const": UNKNOWN}]}),
]


class AnswerEntry(Section):
    """What Prometheus answers to a guard of a rule, until another entry says otherwise."""

    rule: Name = Field(description="Whose guard it is.", examples=["high_latency"])
    only_if: Says | None = Field(
        default=None,
        description="To only_if: a number, a list of them (one of each series, or none), or "
        "unknown.",
    )
    stop_if: Says | None = Field(default=None, description="To stop_if, likewise.")
    at: Moment = Field(
        default=0,
        description="From then on. Default: 0s.",
        json_schema_extra={"default": "0s"},
    )
    target: Text | None = Field(
        default=None, description="About this target only, such as service/checkout."
    )

    @property
    def guard(self) -> Guard:
        return "stop_if" if self.only_if is None else "only_if"

    def answered(self, start_ms: int) -> Answered:
        answer = self.stop_if if self.only_if is None else self.only_if
        assert answer is not None  # noqa: S101  # `_faults` has seen to that
        return Answered(self.rule, self.guard, start_ms + self.at, answer, self.target)


def _starts(value: object) -> int:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        if moment.tzinfo is None or not 2000 <= moment.year < 2100:
            raise ValueError
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"must be a time with its zone, such as 2026-03-29T00:30:00Z, got {show(value)}"
        ) from error


#: When a test begins that does not say so, in Unix ms: 2026-01-01T00:00:00Z.
START_MS = 1_767_225_600_000
Start = Annotated[
    int, PlainValidator(_starts), WithJsonSchema({"type": "string", "format": "date-time"})
]
