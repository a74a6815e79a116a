"""The rule document: what a file may say, and how it becomes a `RuleSet`.

These models are the file's description: validation, JSON Schema and the reference in
`rules/README.md` follow them. `upshift.yaml` holds the same fields beside the server's settings,
so its model derives from `RuleDocument`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from upshift_agent.wire import MAX_HZ, MAX_LEASE_MS, Baseline, canonical

from .durations import format_duration
from .fields import (
    BaselineHz,
    Cooldown,
    Duration,
    Fraction,
    Hz,
    LabelNames,
    Matchers,
    Name,
    Priority,
    TextOrTexts,
    Trigger,
)
from .located import Document, Located, Section, read_located
from .model import Labels, Rule, RuleSet
from .nodes import Path
from .text import show


class RuleEntry(Section):
    """One rule: which alerts, which frequency, how long, within which limits."""

    trigger: Trigger = Field(
        description="Alerts whose `alertname` or `sampling_trigger` label equals this, letter case "
        "and `-`/`_` ignored. With `match` it is only a name.",
        examples=["high_cpu"],
    )
    frequency: Hz = Field(
        description="Sampling frequency while the boost lasts, in Hz. It never lowers a baseline.",
        examples=[99],
    )
    duration: Duration = Field(
        description="How long a boost lasts, 1s–24h, counted from the alert.", examples=["10m"]
    )
    max_duration: Duration | None = Field(
        default=None,
        description="How long renewals may stretch a boost, from its start. "
        "Default: 4 × duration, at most 24h.",
        examples=["1h"],
    )
    name: Name | None = Field(
        default=None,
        description="The rule's name in logs, leases and history; each name once. "
        "Default: the trigger.",
        examples=["page_only"],
    )
    match: Matchers | None = Field(
        default=None,
        description="Alertmanager matchers; all must fit. They decide instead of the trigger.",
        examples=[['severity="page"', 'service_name=~"checkout|cart"']],
    )
    target: Literal["service", "node", "fleet"] = Field(
        default="service", description="Whom the boost is addressed to; the name is in the alert."
    )
    scope: Literal["environment", "target", "instance"] | None = Field(
        default=None,
        description="Which agents of the target: those of the alert's environment, all, or the "
        "instance that the alert names. Default: environment; for a node, all.",
    )
    where: dict[str, TextOrTexts] = Field(
        default_factory=dict,
        description="Agents must have these attributes too: one value, or one of a list.",
        examples=[{"cloud.region": "eu-west-1"}],
    )
    on_resolved: Literal["keep", "revert"] = Field(
        default="keep",
        description="When the last alert of a boost resolves: keep it to its end, or end it.",
    )
    while_firing: bool = Field(
        default=False,
        description="Renew the boost while the alert is known to fire, up to max_duration.",
    )
    cooldown: Cooldown = Field(
        default=0,
        description="After a boost, no new one by this rule on this target and scope for so long, "
        "0s–7d. Default: 0s.",
        json_schema_extra={"default": "0s"},
        examples=["30m"],
    )
    fraction: Fraction = Field(
        default=1.0,
        description="Share of the agents that take part, above 0 and at most 1.",
        examples=[0.1],
    )

    @field_validator("max_duration")
    @classmethod
    def _not_shorter(cls, value: int | None, info: ValidationInfo) -> int | None:
        shortest = info.data.get("duration")
        if value is not None and shortest is not None and value < shortest:
            raise ValueError(
                f"must be at least the duration, {format_duration(shortest)}, "
                f"got {show(format_duration(value))}"
            )
        return value

    @property
    def called(self) -> str:
        return self.name or self.trigger

    def rule(self) -> Rule:
        everyone: Literal["target", "environment"] = (
            "target" if self.target == "node" else "environment"
        )
        return Rule(
            name=self.called,
            trigger=self.trigger,
            frequency_hz=self.frequency,
            duration_ms=self.duration,
            max_duration_ms=self.max_duration or min(4 * self.duration, MAX_LEASE_MS),
            match=tuple(chain(*self.match or ())),
            target=self.target,
            scope=self.scope or everyone,
            where=canonical(
                {k: v if isinstance(v, str) else tuple(v) for k, v in self.where.items()}
            ),
            on_resolved=self.on_resolved,
            while_firing=self.while_firing,
            cooldown_ms=self.cooldown,
            fraction=self.fraction,
        )


class LabelsEntry(Section):
    """Which alert labels name what; the first one present counts."""

    service: LabelNames = Field(default=list(Labels().service))
    environment: LabelNames = Field(default=list(Labels().environment))
    instance: LabelNames = Field(default=list(Labels().instance))
    node: LabelNames = Field(default=list(Labels().node))


class Sampling(Section):
    """Sampling frequencies: at rest, and on alerts."""

    default: BaselineHz = Field(
        default=19, description="Baseline of agents in no environment named below, in Hz."
    )
    environments: dict[str, BaselineHz] = Field(
        default_factory=dict,
        description="Baseline by `deployment.environment.name`, in Hz.",
        examples=[{"production": 19, "staging": 49, "development": 99}],
    )
    max_frequency: Hz = Field(
        default=MAX_HZ, description="No rule and no override goes above this, in Hz."
    )
    labels: LabelsEntry = Field(
        default_factory=LabelsEntry,
        description="Which alert labels name the service, environment, instance and node.",
    )
    on_alert: list[RuleEntry] = Field(
        default_factory=list, description="The rules. Every one that matches an alert applies."
    )

    def rule_set(self) -> RuleSet:
        return RuleSet(
            baseline=Baseline(self.default, dict(self.environments)),
            rules=tuple(entry.rule() for entry in self.on_alert),
            labels=Labels(**{name: tuple(names) for name, names in self.labels}),
            max_frequency_hz=self.max_frequency,
        )


class FallbackEntry(Section):
    """One way for a host agent to profile."""

    method: Literal["ebpf", "push", "pull"] = Field(description="How profiles are taken.")
    priority: Priority = Field(description="1–100; lower is tried first.")


class RuleDocument(Document):
    """Upshift's rules."""

    sampling: Sampling = Field(default_factory=Sampling, description="Baselines and rules.")
    fallback_strategy: list[FallbackEntry] = Field(
        default_factory=list,
        description="Only host agents use this: ways to profile, tried in order of priority.",
    )

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        sampling = data.get("sampling")
        if isinstance(sampling, dict):
            yield from _frequencies(sampling)
            yield from _names(sampling)


def read_rules(text: str | bytes, filename: str) -> Located[RuleDocument]:
    """Read a rule document. Raise `DocumentError` with every fault."""
    return read_located(text, filename, RuleDocument)


def schema(model: type[Document] = RuleDocument) -> dict[str, Any]:
    """The JSON Schema of a document, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()


def _frequencies(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    most = sampling.get("max_frequency")
    if not _is_hz(most):
        return
    asked: list[tuple[Path, Any]] = [(("default",), sampling.get("default"))]
    environments = sampling.get("environments")
    if isinstance(environments, dict):
        asked += [(("environments", name), hz) for name, hz in environments.items()]
    asked += [(("on_alert", i, "frequency"), it.get("frequency")) for i, it in _entries(sampling)]
    for path, hz in asked:
        if _is_hz(hz) and hz > most:
            yield (
                ("sampling", *path),
                f"{path[-1]} must be at most max_frequency, {most} Hz, got {hz}",
            )


def _names(sampling: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    seen: set[str] = set()
    for index, entry in _entries(sampling):
        field = "trigger" if entry.get("name") is None else "name"
        name = entry.get(field)
        if not isinstance(name, str):
            continue
        if name in seen:
            yield (
                ("sampling", "on_alert", index, field),
                f"name {show(name)} is taken by a rule above; give this one a name of its own",
            )
        seen.add(name)


def _entries(sampling: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    entries = sampling.get("on_alert")
    rows = enumerate(entries) if isinstance(entries, list) else ()
    return [(i, entry) for i, entry in rows if isinstance(entry, dict)]


def _is_hz(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_HZ
