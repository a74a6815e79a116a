"""The rule document: what a file may say, and how it becomes a `RuleSet`.

These models are the file's description: validation, JSON Schema and the reference in
`rules/README.md` follow them. `upshift.yaml` holds the same fields beside the server's settings,
so its model derives from `RuleDocument`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Literal

from pydantic import Field

from upshift_agent.contract import MAX_HZ, Baseline

from ..model import Labels, RuleSet
from .contradictions import contradictions
from .fields import (
    MAX_ENVIRONMENTS,
    BaselineHz,
    Hz,
    LabelNames,
    OtherProfile,
    Priority,
    RestingHz,
    Text,
)
from .located import Document, Located, Section, read_located
from .nodes import Path
from .rule_entry import RuleEntry
from .schedule_entry import MAX_SCHEDULES, ScheduleEntry


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
    """Sampling frequencies: at rest, on alerts, and on schedule."""

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
    profiles: dict[OtherProfile, RestingHz] = Field(
        default_factory=dict,
        description="Baselines of the other profiles: of wall, alloc and lock in Hz, of heap in "
        "snapshots an hour. Default: 0 each, off.",
        examples=[{"wall": 9, "heap": 1}],
    )
    max_frequency: Hz = Field(
        default=MAX_HZ,
        description="No rule and no override goes above this, in Hz; for heap, in snapshots an "
        "hour.",
    )
    labels: LabelsEntry = Field(
        default_factory=LabelsEntry,
        description="Which alert labels name the service, environment, namespace and so on.",
    )
    on_alert: list[RuleEntry] = Field(
        default_factory=list, description="The rules. Every one that matches an alert applies."
    )
    schedules: list[ScheduleEntry] = Field(
        default_factory=list,
        max_length=MAX_SCHEDULES,
        description="Boosts and caps at times of the day, the week or the year.",
    )

    def rule_set(self) -> RuleSet:
        return RuleSet(
            baseline=Baseline(self.default, dict(self.environments), dict(self.profiles.items())),
            rules=tuple(chain(*(entry.rules() for entry in self.on_alert))),
            schedules=tuple(entry.schedule() for entry in self.schedules),
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
