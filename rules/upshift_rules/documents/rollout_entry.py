"""One entry of `on_rollout`: what it may say, and the rules that it becomes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from pydantic import Field, field_validator

from upshift_agent.contract import CPU, MAX_LEASE_MS

from ..model import Matcher, Rule
from ..rollouts import LABELS
from ..text import show
from .fields import Duration, Frequency, Matchers, Name, Part, Pause, Raised
from .located import Section

#: The name of a rule that has no other.
ROLLOUT = "rollout"


class RolloutEntry(Section):
    """One rule: the agents of a service's new version get one boost."""

    frequency: Frequency
    duration: Duration = Field(
        description="How long the boost lasts, 1s–1d, counted from when the version was seen.",
        examples=["15m"],
    )
    name: Name = Field(
        default=ROLLOUT,
        description="The rule's name in logs, leases and history; each name once.",
        examples=["rollout_of_payments"],
    )
    match: Matchers = Field(
        default_factory=list,
        description="Matchers in Alertmanager's syntax, on service, environment, namespace, "
        "service_namespace, cluster and version; all must fit. Default: every rollout.",
        examples=[['service=~"checkout|cart"', 'environment="production"']],
    )
    profile: Raised = Field(default=[CPU])
    cooldown: Pause = Field(
        default=0,
        description="After a boost, none by this rule for another version of the same service, "
        "environment, namespaces and cluster for so long, 0s–7d. Default: 0s.",
    )
    fraction: Part = Field(
        default=1.0,
        description="Share of the version's agents that take part, above 0 and at most 1.",
    )

    @field_validator("match")
    @classmethod
    def _known(cls, value: list[tuple[Matcher, ...]]) -> list[tuple[Matcher, ...]]:
        known = [*LABELS.values()]
        for matcher in chain(*value):
            if matcher.label not in known:
                said = f"{', '.join(known[:-1])} or {known[-1]}"
                raise ValueError(f"must be about {said} of a rollout, got {show(matcher.text)}")
        return value

    def rules(self) -> tuple[Rule, ...]:
        """One for each profile; they share all else."""
        rule = Rule(
            name=self.name,
            trigger=ROLLOUT,
            frequency_hz=self.frequency,
            duration_ms=self.duration,
            max_duration_ms=min(4 * self.duration, MAX_LEASE_MS),
            match=tuple(chain(*self.match)),
            cooldown_ms=self.cooldown,
            fraction=self.fraction,
        )
        return tuple(replace(rule, profile=profile) for profile in self.profile)
