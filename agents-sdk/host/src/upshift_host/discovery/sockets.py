"""Which processes listen on the ports that `workloads:` names.

Who has a socket open is looked for only when there is a new one. What listens in our own network is
asked at each look; in other networks, such as containers', /proc has to do, which costs some ten
milliseconds: one of them at each look, a new one first, and an old one every `SELDOM_S`.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

from . import sock_diag
from .facts import Facts
from .procfs import Procfs

#: Seconds between two looks.
PAUSE_S = 3.0
#: Seconds for which a network is new: who is to listen there may take a while to begin.
NEW_S = 30.0
SELDOM_S = 30.0

#: Port by inode.
Sockets = dict[int, int]


class Listening:
    def __init__(self, procfs: Procfs, ports: Collection[int]) -> None:
        self._procfs = procfs
        self._ports = frozenset(ports)
        self._own = procfs.namespace(os.getpid(), "net")
        self._sockets: dict[str, Sockets] = {}
        self._seen_s: dict[str, float] = {}
        self._read_s: dict[str, float] = {}
        self._owners: dict[int, frozenset[int]] = {}
        self._looked_at: Collection[int] = ()
        self._looked_s = float("-inf")

    def look(self, facts: Mapping[int, Facts], now: float) -> dict[int, frozenset[int]]:
        """Pids by port. now: monotonic seconds."""
        if not self._ports:
            return {}
        if now - self._looked_s >= PAUSE_S:
            self._looked_s = now
            self._look(facts, now)
        return {
            port: there for port, pids in self._owners.items() if (there := pids & facts.keys())
        }

    def _look(self, facts: Mapping[int, Facts], now: float) -> None:
        networks: dict[str, list[int]] = {}
        for pid, one in facts.items():
            if one.network:
                networks.setdefault(one.network, []).append(pid)
        self._seen_s = {name: self._seen_s.get(name, now) for name in networks}
        self._read_s = {name: at for name, at in self._read_s.items() if name in networks}
        sockets = {name: found for name, found in self._sockets.items() if name in networks}
        for name in self._due(networks, now):
            sockets[name] = self._of(name, networks[name])
            self._read_s[name] = now
        if sockets != self._sockets or facts.keys() != set(self._looked_at):
            self._sockets, self._looked_at = sockets, tuple(facts)
            self._owners = {}
            for name, wanted in sockets.items():
                if wanted:
                    self._find_owners(wanted, networks[name])

    def _due(self, networks: Iterable[str], now: float) -> list[str]:
        """Our own, and of the others one that is new, or else the one that was read longest ago."""
        never = float("-inf")
        others = sorted(
            (now - self._seen_s[name] > NEW_S, self._read_s.get(name, never), name)
            for name in networks
            if name != self._own
        )
        due = [name for old, at, name in others if not old or now - at >= SELDOM_S]
        return [*(name for name in networks if name == self._own), *due[:1]]

    def _of(self, network: str, pids: list[int]) -> Sockets:
        """As the first of `pids` that is still there sees it."""
        found: Sockets = {}
        if network == self._own:
            try:
                return self._wanted(sock_diag.listeners())
            except OSError:  # it was built without
                pass
        for pid in pids[:3]:
            if found := self._wanted(self._procfs.listeners(pid)):
                break
        return found

    def _wanted(self, listeners: Iterable[tuple[int, int]]) -> Sockets:
        return {inode: port for port, inode in listeners if port in self._ports}

    def _find_owners(self, wanted: Sockets, pids: list[int]) -> None:
        for pid in pids:
            for inode in self._procfs.sockets(pid) & wanted.keys():
                port = wanted[inode]
                self._owners[port] = self._owners.get(port, frozenset()) | {pid}
