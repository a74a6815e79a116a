"""An agent as the API shows it, and what all of the API's bodies are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from upshift_agent.contract import Profile, State

Ms = Annotated[int, Field(description="Redis time, in Unix milliseconds")]
Labels = dict[str, str]
ShownState = State | Literal["lost"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WantedView(Body):
    """What one profile of an agent should run at by the plans of now."""

    hz: int
    lease: str | None
    reason: str
    until_ms: Annotated[int | None, Field(description="when the answer changes next")]
    clamped_from: Annotated[int | None, Field(description="hz without the agent's own max_hz")]


class RequestedView(Body):
    """What an agent should do, of each profile that it can raise; by plans of these revisions."""

    revs: dict[str, int]
    profiles: dict[Profile, WantedView]


class ConfirmedView(Body):
    """What an agent's driver has confirmed for one profile."""

    hz: int
    achieved_hz: Annotated[float | None, Field(description="what the profiler says it does")]


class AppliedView(Body):
    """What an agent's driver has confirmed."""

    revs: dict[str, int]
    at_ms: Ms
    profiles: dict[Profile, ConfirmedView]


class AgentView(Body):
    instance: str
    target: str
    state: ShownState
    attributes: Labels
    driver: str
    profiler: Annotated[
        str | None, Field(description="the one that it drives together with other agents")
    ]
    sdk: str
    reported_ms_ago: int
    requested: RequestedView
    known_revs: Annotated[dict[str, int], Field(description="the plans that it says it follows")]
    applied: AppliedView | None
    converged: bool
    error: str | None
    skipped: Annotated[list[str], Field(description="leases that it cannot follow, and why")]
    max_hz: int | None
