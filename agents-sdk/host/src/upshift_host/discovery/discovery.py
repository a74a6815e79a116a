"""The workloads of this host, as they come and go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from ..config import Configuration
from ..workload import Language, Workload
from .facts import Facts
from .grouping import Key, Node, attributes, group
from .identify import REMEMBERED, Entries, Identity, Names, identify
from .languages import language_of
from .procfs import Procfs
from .selection import is_selected
from .sockets import Listening
from .table import ProcessTable

#: Seconds for which a process has been the same program before it counts: until a shell has become
#: what it starts, and for what is over at once, no profiler is begun.
SETTLED_S = 1.0


class Discovery:
    """One thread's own. `look` every second or so."""

    def __init__(self, configuration: Configuration, procfs: Procfs | None = None) -> None:
        document = configuration.document
        self._procfs = procfs or Procfs()
        self._table = ProcessTable(self._procfs)
        self._entries = Entries(document.workloads)
        self._environment = document.discovery.environment
        ports = {entry.port for entry in document.workloads if entry.port is not None}
        self._listening = Listening(self._procfs, ports)
        node = Node(
            host=configuration.node,
            in_kubernetes=configuration.in_kubernetes,
            attributes=document.attributes,
        )

        @lru_cache(REMEMBERED)
        def attributes_of(
            identity: Identity, container: str, place: str
        ) -> Mapping[str, str] | None:
            found = attributes(identity, container, place, node)
            return found if is_selected(document.select, found) else None

        self._attributes_of = attributes_of
        self._languages: dict[tuple[object, str, str], Language] = {}
        self._seen: object = None
        self.workloads: dict[Key, Workload] = {}

    @property
    def facts(self) -> Mapping[int, Facts]:
        return self._table.facts

    def look(self, now: float, names: Names | None = None) -> bool:
        """Bring `workloads` up to date. Return whether they have changed.

        now: monotonic seconds. names: attributes by container.
        """
        watched = {it.pid for one in self.workloads.values() for it in one.processes}
        changed = self._table.scan(now, watched)
        facts = self._table.facts
        listening = self._listening.look(facts, now)
        unsettled = self._table.younger(SETTLED_S, now)
        seen = (unsettled, listening, names)
        if not changed and seen == self._seen:
            return False
        self._seen = seen
        former, self.workloads = (
            self.workloads,
            self._group(facts, unsettled, listening, names or {}),
        )
        return former != self.workloads

    def _group(
        self,
        facts: Mapping[int, Facts],
        unsettled: frozenset[int],
        listening: Mapping[int, frozenset[int]],
        names: Names,
    ) -> dict[Key, Workload]:
        ours = _descendants(os.getpid(), facts)
        identities = identify(
            facts,
            self._entries,
            listening=listening,
            names=names,
            from_environment=self._environment,
        )
        counted = {
            pid: identity
            for pid, identity in identities.items()
            if pid not in unsettled and pid not in ours
        }
        kept, self._languages = self._languages, {}

        def language(one: Facts) -> Language:
            key = (one.process, one.exe, one.command)
            found = kept.get(key) or language_of(self._procfs, one.process.pid, one.exe)
            self._languages[key] = found
            return found

        return group(facts, counted, language, self._attributes_of)


def _descendants(root: int, facts: Mapping[int, Facts]) -> set[int]:
    """`root` and all below it: the host agent's own profilers are nobody's workload."""
    below = {root}
    children: dict[int, list[int]] = {}
    for pid, one in facts.items():
        children.setdefault(one.parent, []).append(pid)
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), ()):
            if pid not in below:
                below.add(pid)
                waiting.append(pid)
    return below
