"""One entry of `on_alert`: what it may say, and the rules that it becomes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from upshift_agent.contract import CPU, MAX_LEASE_MS

from ..durations import format_duration
from ..guards.answer import IfUnknown
from ..model import Rule, Scope
from ..text import show
from .fields import (
    Attributes,
    Duration,
    Frequency,
    Matchers,
    Name,
    Part,
    Pause,
    Raised,
    Trigger,
    where_of,
)
from .located import Section
from .promql import PromQL


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
    frequency: Frequency
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
    profile: Raised = Field(default=[CPU])
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
    where: Attributes = Field(
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
    cooldown: Pause = Field(
        default=0,
        description="After a boost, no new one by this rule on this target and scope for so long, "
        "0s–7d. Default: 0s.",
    )
    fraction: Part = Field(
        default=1.0,
        description="Share of the agents that take part, above 0 and at most 1.",
    )
    only_if: PromQL | None = Field(
        default=None,
        description="PromQL: a boost is granted only if it returns something that is not 0. "
        "{{ service }}, {{ environment }} and {{ labels.NAME }} are the alert's.",
        examples=['sum(rate(http_requests_total{service="{{ service }}"}[5m])) > 10'],
    )
    if_unknown: IfUnknown = Field(
        default="grant", description="What to do where Prometheus does not answer only_if."
    )
    stop_if: PromQL | None = Field(
        default=None,
        description="PromQL, asked while a boost runs: when it returned something that is not 0 "
        "twice in a row, the boost ends.",
        examples=['process_cpu_seconds:rate1m{service="{{ service }}"} > 0.9'],
    )

    @field_validator("if_unknown")
    @classmethod
    def _of_a_guard(cls, value: IfUnknown, info: ValidationInfo) -> IfUnknown:
        if "only_if" in info.data and info.data["only_if"] is None:
            raise ValueError("is about only_if, which this rule does not have")
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

    def rules(self) -> tuple[Rule, ...]:
        """One for each profile; they share all else."""
        scope = self.scope
        if self.target == "node" and "scope" not in self.model_fields_set:
            scope = "target"  # a node has one environment, and its agent need not know which
        rule = Rule(
            name=self.name or self.trigger,
            trigger=self.trigger,
            frequency_hz=self.frequency,
            duration_ms=self.duration,
            max_duration_ms=self.max_duration or min(4 * self.duration, MAX_LEASE_MS),
            match=tuple(chain(*self.match)),
            target=self.target,
            scope=scope,
            where=where_of(self.where),
            on_resolved=self.on_resolved,
            while_firing=self.while_firing,
            cooldown_ms=self.cooldown,
            fraction=self.fraction,
            only_if=self.only_if,
            if_unknown=self.if_unknown,
            stop_if=self.stop_if,
        )
        return tuple(replace(rule, profile=profile) for profile in self.profile)
