"""The agents of a trial as files: what they may say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from upshift_agent.contract import CPU
from upshift_agent.contract.errors import WireError

from ..documents.fields import Hz, Name, Profiles, Text
from ..documents.located import Document, Located, Section, read_located
from ..documents.nodes import Path
from .fleet import Member, member

MAX_AGENTS = 1000


class AgentEntry(Section):
    """An agent that lives throughout the tests."""

    attributes: dict[Text, Text] = Field(
        description="Its OpenTelemetry Resource attributes; service.name says whose it is, and of "
        "a host agent host.name.",
        examples=["{service.name: checkout}"],
    )
    profiles: Profiles = Field(
        default=[CPU],
        description="What its driver can raise. Default: cpu.",
        json_schema_extra={"default": CPU},
    )
    max_hz: Hz | None = Field(
        default=None, description="It never goes higher, whatever is asked. Default: no limit."
    )
    profiler: Text | None = Field(
        default=None,
        description="Names the profiler that it drives together with others, such as an Alloy of "
        "its node: it counts once, and runs at the highest that any of them wants. Default: one "
        "of its own.",
    )


class AgentsDocument(Document):
    """Agents, by their names: of rule tests, or of a replay."""

    agents: dict[Name, AgentEntry] = Field(
        default_factory=dict, max_length=MAX_AGENTS, description="Who lives, by name."
    )

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        agents = data.get("agents")
        for name, agent in agents.items() if isinstance(agents, dict) else ():
            attributes = agent.get("attributes") if isinstance(agent, dict) else None
            if isinstance(attributes, dict) and _all_text(attributes):
                try:
                    member(name, attributes)
                except (WireError, ValueError) as error:
                    yield ("agents", name, "attributes"), f"attributes {error}"

    def members(self) -> list[Member]:
        return [
            member(name, it.attributes, tuple(it.profiles), it.max_hz, it.profiler)
            for name, it in self.agents.items()
        ]


def _all_text(attributes: Mapping[str, object]) -> bool:
    return all(isinstance(it, str) for it in attributes.values())


def read_agents(text: str | bytes, filename: str) -> Located[AgentsDocument]:
    """Read a file of agents. Raise `DocumentError` with every fault."""
    return read_located(text, filename, AgentsDocument)
