"""The agents of a trial: who they are, what they follow, and what they can raise. They all live,
from its beginning to its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

from upshift_agent.contract import (
    AGENT,
    CPU,
    ENVIRONMENT,
    HOST,
    INSTANCE,
    K8S_NODE,
    POD,
    SERVICE_VERSION,
    Profile,
    canonical,
    check_target,
    node_of,
    node_target,
    service_target,
)

from ..leases.agents import Agent, Attributes, Living
from ..leases.limiting.reach import follows
from ..matching import SCOPED
from ..model import RuleSet

SERVICE = "service.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An agent, or `count` of them that no rule tells apart. home: what it reports under.

    profiler: as an `Agent` has it.
    """

    name: str
    home: str
    attributes: Attributes
    profiles: Collection[Profile] = (CPU,)
    max_hz: int | None = None
    profiler: str | None = None
    count: int = 1


def member(
    name: str,
    attributes: Attributes,
    profiles: Collection[Profile] = (CPU,),
    max_hz: int | None = None,
    profiler: str | None = None,
) -> Member:
    """Return the agent with these attributes: of its service, or where it has none of its node.

    Raise `WireError` for a name that no target can have, `ValueError` where it has neither.
    """
    known = canonical({AGENT: name, **attributes})
    if service := known.get(SERVICE):
        home = service_target(service)
    elif node := node_of(known):
        home = node_target(node)
    else:
        raise ValueError(f"must have {SERVICE}, or {HOST} of a host agent")
    return Member(
        name=name,
        home=check_target(home),
        attributes=known,
        profiles=profiles,
        max_hz=max_hz,
        profiler=profiler,
    )


class Fleet:
    """All agents of a trial."""

    def __init__(self, members: Iterable[Member]) -> None:
        self.members = tuple(members)
        self.size = sum(it.count for it in self.members)
        #: What each member follows.
        self.followed = [sorted(follows(it.attributes, it.home)) for it in self.members]
        self._followers: defaultdict[str, list[int]] = defaultdict(list)
        for index, targets in enumerate(self.followed):
            for target in targets:
                self._followers[target].append(index)
        self._agents: dict[str, Sequence[Agent]] = {}
        self._living: dict[str, Living] = {}

    def followers(self, target: str) -> Sequence[int]:
        """Return the positions in `members` of those who follow a target."""
        return self._followers.get(target, ())

    def agents(self, target: str) -> Sequence[Agent]:
        """Return the live agents of a target, each of them."""
        if target not in self._agents:
            found: list[Agent] = []
            for index in self.followers(target):
                it = self.members[index]
                found += repeat(Agent(it.attributes, it.profiles, it.profiler), it.count)
            self._agents[target] = found
        return self._agents[target]

    def living(self, target: str) -> Living:
        if target not in self._living:
            several = [self.members[index] for index in self.followers(target)]
            self._living[target] = Living(
                sum(it.count for it in several if it.profiler is None)
                + len({it.profiler for it in several if it.profiler is not None}),
                frozenset().union(*(it.attributes.keys() & SCOPED.keys() for it in several)),
                frozenset().union(*(it.profiles for it in several)),
            )
        return self._living[target]


def alike(members: Iterable[Member], several: Iterable[RuleSet]) -> list[Member]:
    """Return `members` with those in one that none of these rules tells apart: a large fleet is
    looked at for each change, and most of it differs by names only."""
    sets = list(several)
    rules = [rule for one in sets for rule in (*one.rules, *one.rollouts)]
    told = {SERVICE, ENVIRONMENT, HOST, K8S_NODE, *SCOPED}
    told = told.union(*(it.where for it in rules))
    told = told.union(*(it.where for one in sets for it in one.schedules))
    if any(one.rollouts for one in sets):
        told |= {SERVICE_VERSION}
    if any(it.scope == "instance" for it in rules):
        told |= {INSTANCE, POD}
    if any(it.fraction < 1 for it in rules):
        told |= {AGENT}
    found: dict[object, Member] = {}
    for it in members:
        kept = {key: value for key, value in it.attributes.items() if key in told}
        if POD in it.attributes:
            kept.setdefault(POD, "")  # where a pod is known, a host's name is no node's
        key = it.home, tuple(sorted(kept.items())), frozenset(it.profiles), it.max_hz, it.profiler
        known = found.get(key)
        count = it.count + (known.count if known else 0)
        found[key] = replace(known or it, attributes=kept, count=count)
    return list(found.values())
