"""The frozen values that rules are made of: triggers, rules, schedules, claims.

What belongs here: data that passes between the document, the matching and the transition.
What does not: reading YAML (`document`), deciding (`matching`, `transition`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from upshift_agent.contract import CPU, MAX_HZ, Baseline, Profile, Where

from .cron import Cron
from .guards.answer import Guards, IfUnknown
from .guards.query import Query
from .text import normalised

#: Unless the user sets another, nothing is raised above this, in Hz.
DEFAULT_MAX_HZ = 200
UNLESS_SET = " unless upshift.yaml sets another"


def default_frequency(most_hz: int) -> str:
    """What to add where a highest frequency is told: whether nobody need have set it."""
    return UNLESS_SET if most_hz == DEFAULT_MAX_HZ else ""


#: How we know of a trigger. notice: somebody told us. level: its source lists it, or, of one that
#: has resolved, lists it no more. muted: it is listed, and silenced or inhibited there.
Via = Literal["notice", "level", "muted"]


class Trigger(NamedTuple):
    """What asks for boosts, from its start until it resolves: an alert, or a rollout, which has
    resolved as soon as it is told.

    identity: whose the next word of it is: of an alert, its fingerprint. Together with the start
    it names an episode. labels: what rules match, and whom it is about; `alertname` is its name.
    starts_at_ms, ends_at_ms: Unix ms by the clock of its source; 0 where no end is said.

    A tuple, as `Claim` is, because a webhook may carry thousands: frozen dataclasses take longer.
    """

    status: Literal["firing", "resolved"]
    labels: Mapping[str, str]
    identity: str
    starts_at_ms: int
    ends_at_ms: int = 0
    via: Via = "notice"
    kind: Literal["alert", "rollout"] = "alert"

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "")


@dataclass(frozen=True, slots=True)
class BadTrigger:
    """A trigger that cannot be read: what is wrong with it, and how it can be recognised."""

    reason: str
    name: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One Alertmanager matcher, compiled: `matches` takes a label's value, `text` is for people.

    `equals`: the only value that fits, where there is one.
    """

    label: str
    text: str
    matches: Callable[[str], bool] = field(compare=False, repr=False)
    equals: str | None = None


#: Which agents of a target a boost is for: see `matching.SCOPED`.
Scope = Literal["namespace", "environment", "instance", "target"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of `on_alert` or `on_rollout`, for one profile. Durations in milliseconds, the
    frequency in the profile's own unit: Hz, or snapshots an hour. An entry for several makes a rule
    for each."""

    name: str
    trigger: str
    frequency_hz: int
    duration_ms: int
    max_duration_ms: int
    match: tuple[Matcher, ...] = ()
    target: Literal["service", "node", "fleet"] = "service"
    scope: Scope = "namespace"
    where: Where = field(default_factory=dict)
    on_resolved: Literal["keep", "revert"] = "keep"
    while_firing: bool = False
    cooldown_ms: int = 0
    fraction: float = 1.0
    profile: Profile = CPU
    only_if: Query | None = None
    if_unknown: IfUnknown = "grant"
    stop_if: Query | None = None

    @property
    def key(self) -> str:
        """Which of an entry's rules this is: `high_cpu`, and for other profiles `high_cpu:wall`."""
        return self.name if self.profile == CPU else f"{self.name}:{self.profile}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One entry of `schedules`: from each time of its cron line on, a window of `duration_ms`, in
    which there is a lease for each of the targets and profiles.

    zone: where the line's times are told, by IANA's name. profiles: none for what `Override` is for
    that names none. jitter_ms: how much later than its time a window begins at most.
    """

    name: str
    cron: Cron
    zone: str
    kind: Literal["boost", "cap"]
    targets: tuple[str, ...]
    profiles: tuple[str, ...]
    frequency_hz: int
    duration_ms: int
    jitter_ms: int = 0
    where: Where = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which alert labels name what; the first present one counts."""

    service: tuple[str, ...] = ("service_name", "service", "app", "job")
    environment: tuple[str, ...] = ("deployment_environment", "environment", "env")
    namespace: tuple[str, ...] = ("namespace", "k8s_namespace_name")
    service_namespace: tuple[str, ...] = ("service_namespace",)
    cluster: tuple[str, ...] = ("cluster", "k8s_cluster_name")
    instance: tuple[str, ...] = ("instance", "pod")
    node: tuple[str, ...] = ("node", "host", "instance")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """A rule document, read: everything that the matching needs."""

    baseline: Baseline
    rules: tuple[Rule, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    #: Those of `on_rollout`, which have no trigger.
    rollouts: tuple[Rule, ...] = ()
    labels: Labels = field(default_factory=Labels)
    #: No rule and no override goes above this, in Hz.
    max_frequency_hz: int = MAX_HZ
    #: Positions in `rules`: by trigger, `normalised`, and of those with matchers of their own.
    by_trigger: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    by_matchers: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_trigger: dict[str, tuple[int, ...]] = {}
        for index, rule in enumerate(self.rules):
            if not rule.match:
                key = normalised(rule.trigger)
                by_trigger[key] = (*by_trigger.get(key, ()), index)
        matched = tuple(index for index, rule in enumerate(self.rules) if rule.match)
        object.__setattr__(self, "by_trigger", by_trigger)
        object.__setattr__(self, "by_matchers", matched)


class Claim(NamedTuple):
    """A rule that matched a trigger, and whom it is about. `where` is the boost's scope.

    soft: attributes in `where` that only the rule's scope took from the trigger. One that no live
    agent of the target reports is left out of the lease.
    """

    rule: Rule
    trigger: Trigger
    target: str
    where: Where
    soft: tuple[str, ...] = ()
    guards: Guards | None = None  # of a rule that has some


OutcomeName = Literal[
    "granted",  # a new lease
    "recovered",  # a new lease, for an alert that nobody had told us of: it was listed
    "renewed",  # a live boost runs longer
    "joined",  # a live boost serves this alert too
    "repeat",  # told before; nothing changes
    "muted",  # silenced or inhibited: it starts nothing
    "at_max_duration",  # the boost runs, or ran, as long as its rule allows
    "cooldown",  # too soon after the last boost
    "resolved",  # noted; a boost runs on, or there was none
    "reverted",  # the boost ended because its alerts resolved, or by its stop_if
    "released",  # an operator ended it
    "no_rule",  # no rule matches
    "no_target",  # the alert does not say whom it is about
    "no_lease",  # nothing to release
    "refused",  # a limit forbids it, or the rule's only_if
    "unasked",  # its only_if is to be asked first; nobody is told this
    "invalid",  # it cannot be read
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which limit forbids a lease: its name in `limits:`, its value, what is used, in words."""

    limit: str
    value: int
    used: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a trigger or an override, and why; the same words everywhere.

    `profile`, `hz`: of the lease, or of the one that the rule would grant, in the profile's unit.
    `until_ms`: end of the lease or of the cooldown, in Redis milliseconds.
    `refusal`: the limit that forbade it.
    """

    outcome: OutcomeName
    reason: str
    rule: str | None = None
    target: str | None = None
    lease: str | None = None
    hz: int | None = None
    profile: str | None = None
    until_ms: int | None = None
    refusal: Refusal | None = None
