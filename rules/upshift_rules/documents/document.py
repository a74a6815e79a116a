"""The rule document: what a file may say, and how it becomes a `RuleSet`.

These models are the file's description: validation, JSON Schema and the reference in
`rules/README.md` follow them. `upshift.yaml` holds the same fields beside the server's settings,
so its model derives from `RuleDocument`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from upshift_agent.contract import MAX_HZ, MAX_LEASE_MS, Baseline, canonical

from ..durations import format_duration
from ..model import Labels, Rule, RuleSet, Scope
from ..quick_json import dump
from ..text import show
from .contradictions import contradictions
from .fields import (
    MAX_ENVIRONMENTS,
    MAX_WHERE_BYTES,
    BaselineHz,
    Cooldown,
    Duration,
    Fraction,
    Hz,
    LabelNames,
    Matchers,
    Name,
    Priority,
    Text,
    TextOrTexts,
    Trigger,
)
from .located import Document, Located, Section, read_located
from .nodes import Path


def _worked_out(schema: dict[str, Any]) -> None:
    """Leave out a default that stands for one that depends on other fields."""
    del schema["default"]


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
        description="How long a boost lasts, 1s–1d, counted from the alert.", examples=["10m"]
    )
    max_duration: Duration = Field(
        default=0,
        json_schema_extra=_worked_out,
        description="How long renewals may stretch a boost, from its start. "
        "Default: 4 × duration, at most 1d.",
        examples=["1h"],
    )
    name: Name = Field(
        default="",
        json_schema_extra=_worked_out,
        description="The rule's name in logs, leases and history; each name once. "
        "Default: the trigger.",
        examples=["page_only"],
    )
    match: Matchers = Field(
        default_factory=list,
        description="Alertmanager matchers; all must fit. They decide instead of the trigger.",
        examples=[['severity="page"', 'service_name=~"checkout|cart"']],
    )
    target: Literal["service", "node", "fleet"] = Field(
        default="service", description="Whom the boost is addressed to; the name is in the alert."
    )
    scope: Scope = Field(
        default="namespace",
        json_schema_extra=_worked_out,
        description="Which agents of the target: those of the environment, namespaces and cluster "
        "that the alert names, those of its environment, the instance that it names, or all. "
        "Default: namespace; for a node, target.",
    )
    where: dict[Text, TextOrTexts] = Field(
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

    @field_validator("where")
    @classmethod
    def _fits_a_lease(cls, value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        if (size := len(dump(value).encode())) > MAX_WHERE_BYTES:
            raise ValueError(f"must take at most {MAX_WHERE_BYTES} bytes as JSON, takes {size}")
        return value

    @field_validator("max_duration")
    @classmethod
    def _not_shorter(cls, value: int, info: ValidationInfo) -> int:
        shortest = info.data.get("duration", 0)
        if value < shortest:
            raise ValueError(
                f"must be at least the duration, {format_duration(shortest)}, "
                f"got {show(format_duration(value))}"
            )
        return value

    def rule(self) -> Rule:
        scope = self.scope
        if self.target == "node" and "scope" not in self.model_fields_set:
            scope = "target"  # a node has one environment, and its agent need not know which
        return Rule(
            name=self.name or self.trigger,
            trigger=self.trigger,
            frequency_hz=self.frequency,
            duration_ms=self.duration,
            max_duration_ms=self.max_duration or min(4 * self.duration, MAX_LEASE_MS),
            match=tuple(chain(*self.match)),
            target=self.target,
            scope=scope,
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

    service: LabelNames = Field(
        default=list(Labels().service), description="Labels that name the service."
    )
    environment: LabelNames = Field(
        default=list(Labels().environment), description="Labels that name the environment."
    )
    namespace: LabelNames = Field(
        default=list(Labels().namespace),
        description="Labels that name the Kubernetes namespace (`k8s.namespace.name`).",
    )
    service_namespace: LabelNames = Field(
        default=list(Labels().service_namespace),
        description="Labels that name the service's namespace (`service.namespace`).",
    )
    cluster: LabelNames = Field(
        default=list(Labels().cluster),
        description="Labels that name the Kubernetes cluster (`k8s.cluster.name`).",
    )
    instance: LabelNames = Field(
        default=list(Labels().instance),
        description="Labels that name the instance; of them pod and k8s_pod_name name a pod.",
    )
    node: LabelNames = Field(
        default=list(Labels().node),
        description="Labels that name the node; a :port at the end is left out.",
    )


class Sampling(Section):
    """Sampling frequencies: at rest, and on alerts."""

    default: BaselineHz = Field(
        default=19,
        description="Baseline of agents in no environment named below, in Hz. 0: no profiling.",
    )
    environments: dict[Text, BaselineHz] = Field(
        default_factory=dict,
        max_length=MAX_ENVIRONMENTS,
        description="Baseline by `deployment.environment.name`, in Hz.",
        examples=[{"production": 19, "staging": 49, "development": 99}],
    )
    max_frequency: Hz = Field(
        default=MAX_HZ, description="No rule and no override goes above this, in Hz."
    )
    labels: LabelsEntry = Field(
        default_factory=LabelsEntry,
        description="Which alert labels name the service, environment, namespace and so on.",
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
            for path, message in contradictions(sampling):
                yield ("sampling", *path), message


def read_rules(text: str | bytes, filename: str) -> Located[RuleDocument]:
    """Read a rule document. Raise `DocumentError` with every fault."""
    return read_located(text, filename, RuleDocument)
