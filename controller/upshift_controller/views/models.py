"""The API's bodies. Their descriptions are the OpenAPI document's.

Frequencies in their profile's unit: Hz, and of `heap` snapshots an hour.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from upshift_agent.contract import ALL, MAX_HZ, MAX_LEASE_MS, Kind, Profile
from upshift_rules.durations import format_duration
from upshift_rules.guards.query import MAX_QUERY
from upshift_rules.model import OutcomeName

from .agent_models import AgentView, Body, Ms

Short = Annotated[str, Field(min_length=1, max_length=256)]
LeaseProfile = Literal[Profile, "all"]


class RefusalView(Body):
    """The limit that forbade a lease: its name in `limits:`, its value, and what is used of it."""

    limit: str
    value: int
    used: int


class OutcomeView(Body):
    """What became of an alert under one rule, or of an override, and why."""

    outcome: OutcomeName
    reason: str
    rule: str | None = None
    target: str | None = None
    lease: str | None = None
    profile: LeaseProfile | None = None
    hz: int | None = None
    until_ms: Ms | None = None
    refusal: RefusalView | None = None


class RuleView(Body):
    """Whether one rule matches an alert, and why (not)."""

    rule: str
    profiles: Annotated[list[Profile], Field(description="each gets a lease of its own")]
    matches: bool
    reason: str


class AlertAccount(Body):
    """What one alert did. `rules` is filled by `explain` only."""

    alertname: str
    fingerprint: str
    status: Literal["firing", "resolved", "invalid"]
    outcomes: list[OutcomeView]
    rules: list[RuleView] | None = None


class Accounts(Body):
    """What each alert of a webhook did, in its order; of very many, the first ones."""

    alerts: list[AlertAccount]
    counts: Annotated[dict[str, int], Field(description="outcomes, counted")]
    truncated: Annotated[int, Field(description="alerts that Alertmanager left out")] = 0
    not_shown: Annotated[int, Field(description="alerts that are counted, and not in `alerts`")] = 0
    limits: Annotated[str | None, Field(description="those in force; from `explain` only")] = None
    warnings: Annotated[list[str] | None, Field(description="as of `Targets`; as above")] = None


class LeaseView(Body):
    id: str
    target: str
    kind: Kind
    profile: Annotated[str, Field(description="all: every one at once, of a cap")]
    hz: int
    since_ms: Ms
    expires_at_ms: Ms
    remaining_ms: Annotated[int, Field(description="milliseconds until it expires")]
    where: dict[str, str | list[str]]
    fraction: float
    fraction_from: Annotated[float, Field(description="where on its circle that share begins")]
    because: dict[str, Any]
    reason: str
    stop_if: Annotated[
        str | None, Field(description="PromQL that ends it early, when it is true twice in a row")
    ] = None


class StartingView(Body):
    """What a profile of an agent would run at if it started now. Of those that something asks for,
    and `cpu`."""

    profile: Profile
    environment: Annotated[str | None, Field(description="null: any that is not listed")]
    where: Annotated[dict[str, str], Field(description="its namespaces and cluster, if they count")]
    hz: int
    lease: str | None
    reason: str
    until_ms: Annotated[int | None, Field(description="when the answer changes next")]


class TargetView(Body):
    target: str
    known: Annotated[bool, Field(description="it has agents, leases or a history")]
    near: Annotated[
        str | None, Field(description="a known one of a similar name, where no agent reports")
    ]
    now_ms: Ms
    rev: int
    baseline: dict[str, Any]
    leases: Annotated[list[LeaseView], Field(description="its own and the fleet's")]
    starting: Annotated[
        list[StartingView],
        Field(description="without leases for a share of the agents, or by other attributes"),
    ]
    agents: list[AgentView]
    converged: Annotated[bool, Field(description="every live agent has applied what it should")]


class Leases(Body):
    now_ms: Ms
    leases: Annotated[list[LeaseView], Field(description="of every target, the next to end first")]


class TargetSummary(Body):
    target: str
    rev: int
    requested_hz: Annotated[
        dict[Profile, list[int]], Field(description="what its live agents should run at")
    ]
    leases: int
    until_ms: Annotated[int | None, Field(description="when its last lease expires")]
    agents: Annotated[int, Field(description="live agents")]
    converged: Annotated[int, Field(description="live agents that have applied what they should")]
    lost: Annotated[int, Field(description="agents that stopped reporting")]


class Targets(Body):
    now_ms: Ms
    targets: list[TargetSummary]
    warnings: Annotated[
        list[str], Field(description="what keeps this controller from knowing of alerts")
    ]


class Agents(Body):
    now_ms: Ms
    agents: list[AgentView]


class HistoryEntry(Body):
    target: str
    rev: int
    at_ms: Ms
    event: str
    reason: str
    lease: dict[str, Any] | None = None
    baseline: dict[str, Any] | None = None
    by: str | None = None
    limit: Annotated[str | None, Field(description="the one that refused the lease")] = None


class History(Body):
    entries: Annotated[list[HistoryEntry], Field(description="newest first")]


class LeaseRequest(Body):
    """An override. Every one has an end."""

    target: Annotated[str, Field(description="service/NAME, node/NAME or fleet")]
    kind: Kind
    profile: Annotated[
        LeaseProfile | None,
        Field(description=f"default: cpu, and of a cap at 0 {ALL}, which only a cap may be for"),
    ] = None
    hz: Annotated[int, Field(strict=True, description=f"0–{MAX_HZ} Hz; a boost at least 1")]
    duration: Annotated[
        str, Field(description=f"1s–{format_duration(MAX_LEASE_MS)}, such as 90s, 10m, 1h30m")
    ]
    where: Annotated[
        dict[Short, Short | Annotated[list[Short], Field(min_length=1, max_length=64)]],
        Field(
            default_factory=dict,
            max_length=16,
            description="agent attributes that must match: a value, or one of",
        ),
    ]
    stop_if: Annotated[
        str | None,
        Field(
            max_length=MAX_QUERY,
            description="of a boost: PromQL that ends it early, when it is true twice in a row",
        ),
    ] = None
    reason: Annotated[str, Field(max_length=500)] = ""
    by: Annotated[
        str, Field(max_length=64, description="who asks; a token's name counts instead")
    ] = ""


class Forgotten(Body):
    """A target that is shown no more; its history is, for as long as it is kept."""

    target: str


class Done(Body):
    """What became of an override."""

    outcome: OutcomeView


class ProblemView(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[str] | None = None
