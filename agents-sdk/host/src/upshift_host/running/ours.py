"""Which of the workloads' processes are ours to profile: those that no SDK looks after."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from upshift_agent.attributes import SERVICE, from_environment
from upshift_agent.contract.errors import ConfigurationError

from ..discovery.facts import Facts
from ..discovery.grouping import Key
from ..discovery.procfs import Procfs
from ..workload import Process, Workload
from .occupied import Known, Occupied

#: Seconds for which a new process is held back until it is known whether an SDK looks after it: no
#: longer than from one look of the host agent to the next.
HELD_BACK_S = 1.2


class Ours:
    """node: what this host is called here. One thread's own."""

    def __init__(self, occupied: Occupied, procfs: Procfs, node: str) -> None:
        self._occupied = occupied
        self._procfs = procfs
        self._node = node
        self._hosts: dict[Process, frozenset[str]] = {}

    def of(
        self, facts: Mapping[int, Facts], workloads: Mapping[Key, Workload], now: float
    ) -> dict[Key, Workload]:
        """`workloads` without the processes that are not ours, and without those of no other.

        Of native ones there is no SDK. now: monotonic seconds.
        """
        self._occupied.want(self._known(facts, workloads), now)
        found = {}
        for key, workload in workloads.items():
            ours = workload.processes
            if workload.language != "native":
                ours = self._of_one(facts, workload, now)
            if ours == workload.processes:
                found[key] = workload
            elif ours:
                found[key] = replace(workload, processes=ours)
        return found

    def _of_one(
        self, facts: Mapping[int, Facts], workload: Workload, now: float
    ) -> tuple[Process, ...]:
        theirs = {it for it in workload.processes if self._occupied.by_an_sdk(it)}
        # What has started them has no work of its own.
        starters = {facts[it.pid].parent for it in theirs if it.pid in facts}
        return tuple(
            it
            for it in workload.processes
            if it not in theirs and it.pid not in starters and not self._held_back(it, now)
        )

    def _held_back(self, process: Process, now: float) -> bool:
        unknown = self._occupied.by_an_sdk(process) is None
        return unknown and self._occupied.waited_s(process, now) < HELD_BACK_S

    def _known(
        self, facts: Mapping[int, Facts], workloads: Mapping[Key, Workload]
    ) -> dict[str, dict[Process, Known]]:
        """How their SDKs would see them, by service."""
        found: dict[str, dict[Process, Known]] = {}
        hosts, self._hosts = self._hosts, {}
        for workload in workloads.values():
            if workload.language == "native":
                continue
            for process in workload.processes:
                if (one := facts.get(process.pid)) is None:
                    continue
                names = hosts.get(process) or self._host_names(one)
                self._hosts[process] = names
                known = Known(one.inner_pid, process.start_ticks, names)
                for service in {workload.attributes[SERVICE], *_own_name(one)}:
                    found.setdefault(service, {})[process] = known
        return found

    def _host_names(self, one: Facts) -> frozenset[str]:
        """What a process may call its host."""
        said = {
            self._node,
            os.uname().nodename,
            one.environment.get("HOSTNAME", ""),
            self._procfs.host_name(one.process.pid),
        }
        return frozenset(filter(None, said))


def _own_name(one: Facts) -> set[str]:
    """What its own SDK may call its service, whatever `workloads:` calls it."""
    with suppress(ConfigurationError):
        own = from_environment(one.environment).get(SERVICE)
        return {own} if own else set()
    return set()
