"""A report of what a boost brought, as the API has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .agent_models import Body, Ms

Fraction = Annotated[float, Field(description="of the whole, 0–1")]


class SideView(Body):
    """One of the two times that are compared."""

    from_ms: Ms
    until_ms: Ms
    samples: int
    seconds: Annotated[float | None, Field(description="CPU (or wall) time that they stand for")]
    achieved_hz: Annotated[
        float | None,
        Field(description="samples for each second of that; null: the backend does not count them"),
    ]


class TopView(Body):
    """A function of those that take most in the window."""

    function: str
    before: Fraction
    now: Fraction


class ShareView(Body):
    share: Fraction
    half_width: Annotated[float, Field(description="of its 95 % interval")]


class ChangeView(Body):
    """A function whose share changed significantly: of those named, 5 % are false on average."""

    function: str
    kind: Annotated[Literal["self", "total"], Field(description="alone, or with what it calls")]
    before: ShareView
    now: ShareView
    difference: float
    half_width: Annotated[float, Field(description="of the difference's 95 % interval")]
    p: float


class Report(Body):
    """What a boost brought, by function."""

    target: str
    lease: str
    since_ms: Ms
    days: Annotated[
        int, Field(description="before it, of what it is compared with; 0: just before")
    ]
    profile: str
    requested_hz: int
    runs: Annotated[bool, Field(description="whether the boost still runs")]
    backend: str
    window: SideView
    before: SideView
    top: dict[Literal["self", "total"], list[TopView]]
    changes: Annotated[list[ChangeView], Field(description="largest first, 50 at most")]
    asked: Annotated[int, Field(description="functions that were compared, self and total each")]
    problem: Annotated[str | None, Field(description="why nothing could be compared")]
    advice: Annotated[str | None, Field(description="what it would take to see a change of 5 %")]
    tree: Annotated[
        dict[str, Any], Field(description="calls: name → [share before, share now, calls]")
    ]
