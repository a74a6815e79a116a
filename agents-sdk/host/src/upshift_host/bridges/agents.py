"""The Upshift agents of a bridge: one for each of somebody else's."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterable, Mapping
from typing import Protocol

from upshift_agent import Agent, UpshiftError
from upshift_agent.contract import State

from ..said import log
from .naming import attributes, service
from .reading import Settings

#: Different complaints that are told; names come from anywhere.
MAX_TOLD = 200


class Ending(Protocol):
    """An agent that was told to stop."""

    @property
    def ended(self) -> threading.Event: ...
    def join(self, deadline: float) -> None: ...


class Agents:
    """Of one thread, the bridge's own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agents: dict[Hashable, Agent] = {}
        self._leaving: list[Ending] = []
        self._told: set[str] = set()

    def start(self, key: Hashable, driver: object, said: Mapping[str, str]) -> Agent | None:
        """An agent with what of `said` can be attributes; None where it names no service."""
        document = self._settings.document
        found = attributes(said, document.attributes)
        name = service(found)
        if name is None:
            self.tell("an agent that says no service.name has no plan to follow, and is left alone")
            return None
        try:
            agent = Agent(
                redis_url=document.redis,
                driver=driver,
                service=name,
                attributes=found,
                baseline_hz=document.baseline,
                max_hz=document.max_frequency,
                namespace=document.namespace,
                secrets=self._settings.secrets,
                surroundings=False,  # it speaks for others
            )
        except UpshiftError as error:
            self.tell(f"{name} cannot have an agent: {error}")
            return None
        self._agents[key] = agent
        return agent

    def stop(self, key: Hashable) -> None:
        agent = self._agents.pop(key, None)
        if agent is not None and (run := agent.begin_stop()) is not None:
            self._leaving = [it for it in self._leaving if not it.ended.is_set()]
            self._leaving.append(run)

    def close(self, timeout_s: float) -> None:
        """Stop all, each at its baseline. Waits, so not for an event loop to call."""
        deadline = time.monotonic() + timeout_s
        for key in list(self._agents):
            self.stop(key)
        for ending in self._leaving:
            ending.join(deadline)

    def states(self) -> dict[State, int]:
        """How many are in which state. From any thread."""
        found: dict[State, int] = {"applied": 0, "applying": 0, "failed": 0}
        for status in _statuses(list(self._agents.values())):
            found[status] += 1
        return found

    def tell(self, what: str) -> None:
        """Once."""
        if what not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(what)
            log.warning("%s", what)

    def __len__(self) -> int:
        return len(self._agents)


def _statuses(agents: Iterable[Agent]) -> Iterable[State]:
    for agent in agents:
        status = agent.status
        yield "applying" if status is None else status.state
