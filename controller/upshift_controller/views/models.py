"""The API's bodies. Their descriptions are the OpenAPI document's. Frequencies in Hz."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from upshift_agent.contract import MAX_HZ, MAX_LEASE_MS, Kind, State
from upshift_rules.durations import format_duration
from upshift_rules.model import OutcomeName

Ms = Annotated[int, Field(description="Redis time, in Unix milliseconds")]
Labels = dict[str, str]
Short = Annotated[str, Field(min_length=1, max_length=256)]


ShownState = State | Literal["lost"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    hz: int | None = None
    until_ms: Ms | None = None
    refusal: RefusalView | None = None


class RuleView(Body):
    """Whether one rule matches an alert, and why (not)."""

    rule: str
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


class LeaseView(Body):
    id: str
    target: str
    kind: Kind
    hz: int
    since_ms: Ms
    expires_at_ms: Ms
    remaining_ms: Annotated[int, Field(description="milliseconds until it expires")]
    where: dict[str, str | list[str]]
    fraction: float
    fraction_from: Annotated[float, Field(description="where on its circle that share begins")]
    because: dict[str, Any]
    reason: str


class RequestedView(Body):
    """What an agent should do by the plans of now; `revs` are the revisions of those plans."""

    hz: int
    revs: dict[str, int]
    lease: str | None
    reason: str
    until_ms: Annotated[int | None, Field(description="when the answer changes next")]
    clamped_from: Annotated[int | None, Field(description="Hz without the agent's own max_hz")]


class AppliedView(Body):
    """What an agent's driver has confirmed."""

    hz: int
    revs: dict[str, int]
    achieved_hz: Annotated[float | None, Field(description="what the profiler says it does")]
    at_ms: Ms


class AgentView(Body):
    instance: str
    target: str
    state: ShownState
    attributes: Labels
    driver: str
    sdk: str
    reported_ms_ago: int
    requested: RequestedView
    known_revs: Annotated[dict[str, int], Field(description="the plans that it says it follows")]
    applied: AppliedView | None
    converged: bool
    error: str | None
    skipped: Annotated[list[str], Field(description="leases that it cannot follow, and why")]
    max_hz: int | None


class StartingView(Body):
    """What an agent would run at if it started now."""

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
    requested_hz: Annotated[list[int], Field(description="what its live agents should run at")]
    leases: int
    until_ms: Annotated[int | None, Field(description="when its last lease expires")]
    agents: Annotated[int, Field(description="live agents")]
    converged: Annotated[int, Field(description="live agents that have applied what they should")]
    lost: Annotated[int, Field(description="agents that stopped reporting")]


class Targets(Body):
    now_ms: Ms
    targets: list[TargetSummary]


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
    hz: Annotated[int, Field(strict=True, description=f"0–{MAX_HZ} Hz; a boost at least 1")]
    duration: Annotated[
        str, Field(description=f"1s–{format_duration(MAX_LEASE_MS)}, such as 90s, 10m, 1h30m")
    ]
    where: Annotated[
        dict[Short, Short | Annotated[list[Short], Field(min_length=1, max_length=64)]],
        Field(max_length=16, description="agent attributes that must match: a value, or one of"),
    ] = {}
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
