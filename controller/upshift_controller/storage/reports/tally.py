"""Who lives, counted while statuses are read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache

from upshift_agent.contract import Status, canonical, is_live
from upshift_rules.leases.agents import Living
from upshift_rules.leases.limiting.reach import follows
from upshift_rules.matching import SCOPED


@dataclass(slots=True)
class _Count:
    alone: int = 0
    shared: set[str] = field(default_factory=set)
    scoped: frozenset[str] = frozenset()
    profiles: frozenset[str] = frozenset()

    def add(self, scoped: frozenset[str], profiles: frozenset[str], profiler: str | None) -> None:
        if not profiler:
            self.alone += 1
        else:
            self.shared.add(profiler)
        if not scoped <= self.scoped:
            self.scoped |= scoped
        if not profiles <= self.profiles:
            self.profiles |= profiles


class Tally:
    """Counts agents, for each target that they follow. `now_ms`: Redis time."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._counts: defaultdict[str, _Count] = defaultdict(_Count)

    def add(self, home: str, status: Status) -> None:
        """Count an agent that reports under `home`, if it lives."""
        if not is_live(status, self._now_ms):
            return
        attributes = canonical(status.attributes)
        scoped = _kept(frozenset(attributes.keys() & SCOPED.keys()))
        profiles = _kept(frozenset(status.requested.profiles))
        for target in follows(attributes, home):
            self._counts[target].add(scoped, profiles, status.profiler)

    def living(self) -> dict[str, Living]:
        return {
            target: Living(it.alone + len(it.shared), it.scoped, it.profiles)
            for target, it in self._counts.items()
        }


@lru_cache(maxsize=256)
def _kept(names: frozenset[str]) -> frozenset[str]:
    """The same, once: agents have few such sets, and there may be a node for each of them."""
    return names
