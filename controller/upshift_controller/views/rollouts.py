"""What is known of a service's versions, and why each was a rollout or none. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from upshift_agent.contract import VERSION_SCOPE
from upshift_rules.durations import format_duration

from ..sources.rollouts.deciding import LATE_MS, MEMORY_MS
from ..sources.rollouts.knowledge import Came, Knowledge, Known, Scope
from .agent_models import Body, Ms
from .models import OutcomeView, RuleView

_DAY = format_duration(MEMORY_MS)
_WHY: dict[Came, str] = {
    "first": f"no rollout: no other version of it was live within {_DAY}",
    "learnt": "no rollout: it was found when nothing was known of versions yet",
    "restart": "no rollout: it came back from a restart",
    "rollout": f"a rollout: it began to live, and another version was live within {_DAY}",
    "missed": f"no rollout: it was seen over {format_duration(LATE_MS)} late, when none had looked",
}


class VersionView(Body):
    """One version of a service in one environment, namespace and cluster."""

    version: str
    attributes: Annotated[dict[str, str], Field(description="whose version it is")]
    live: bool
    newest: Annotated[bool, Field(description="of its service, the one rolled out last")]
    since_ms: Annotated[Ms, Field(description="when it was seen to begin to live")]
    last_ms: Annotated[int | None, Field(description="its last report; null: it is live")]
    came: Came
    reason: Annotated[str, Field(description="why that was a rollout, or none")]
    rules: Annotated[list[RuleView], Field(description="what its rollout would meet")]
    outcomes: Annotated[list[OutcomeView], Field(description="what that would do now")]


class Rollouts(Body):
    service: str
    looked_ms: Annotated[int | None, Field(description="when versions were last looked at")]
    problem: Annotated[str | None, Field(description="why no version is known, if so")]
    versions: list[VersionView]


def versions_of(known: Knowledge | None, service: str) -> Iterator[tuple[Scope, str, Known, bool]]:
    """Return the versions of a service, those seen last first, and whether each is the newest."""
    rows = [
        (scope, name, it, name == found.newest)
        for scope, found in (known.services if known else {}).items()
        if dict(scope)[VERSION_SCOPE[0]] == service
        for name, it in found.versions.items()
    ]
    yield from sorted(rows, key=lambda row: (-row[2].since_ms, row[0], row[1]))


def why(it: Known, *, newest: bool) -> str:
    """Return in words how a version came to live."""
    if it.came != "restart":
        return _WHY[it.came]
    return _WHY["restart"] + (
        ", as the version that was rolled out last" if newest else "; no other had taken its place"
    )


def problem(known: Knowledge | None, service: str, *, wanted: bool) -> str | None:
    """Return why no version of a service is known, if so."""
    if not wanted:
        return "no rollout is looked for: there are no rules of on_rollout"
    if known is None:
        return "nobody has looked at versions yet"
    if next(versions_of(known, service), None) is None:
        return f"no agent of service/{service} has reported a service.version within {_DAY}"
    return None
