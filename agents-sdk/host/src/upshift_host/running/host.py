"""The host agent: finds workloads, gives each an agent, and takes the agents of the gone away."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from upshift_agent import Agent, UpshiftError
from upshift_agent.attributes import SERVICE
from upshift_agent.contract import HOST, K8S_NODE

from ..config import Configuration
from ..discovery.discovery import Discovery
from ..discovery.grouping import Key
from ..discovery.naming import containerd, docker, kubernetes
from ..discovery.naming.asking import Ask, Naming
from ..discovery.procfs import Procfs
from ..drivers.kinds import Kind
from ..errors import StartRefused
from ..files.of_host import Files
from ..profiles.export import Exporter
from ..said import describe, log
from ..workload import Workload
from .carrier import Carrier
from .natives import natives
from .node import NodeDriver
from .occupied import Occupied
from .ours import Ours
from .pulling import kinds as pulled
from .pulling import targets

#: With a profiler's start three of these are under 5 s: a process is seen, has settled, and is no
#: SDK's.
TICK_S = 1.25
#: How long all profilers together may take to end.
END_S = 10.0
#: How long the profilers of `files:` may take at least; their files are right at once.
FILES_S = 1.0


class _Ending(Protocol):
    """An agent that was told to stop."""

    @property
    def ended(self) -> threading.Event: ...
    def join(self, deadline: float) -> None: ...


@dataclass(slots=True)
class _Served:
    workload: Workload
    carrier: Carrier
    agent: Agent


class HostAgent:
    """One thread's own: whoever calls `run`.

    kinds: of drivers, those of `files:` come before them. exporter: what they are handed.
    """

    def __init__(
        self,
        configuration: Configuration,
        kinds: Mapping[str, Kind],
        exporter: Exporter,
    ) -> None:
        self._files = Files(configuration)
        procfs = Procfs()
        self._configuration = configuration
        document = configuration.document
        self._kinds = self._files.before(
            {**natives(configuration), **kinds, **pulled(configuration)}
        )
        self._priorities = {it.method: it.priority for it in document.fallback_strategy}
        self._exporter = exporter
        self._discovery = Discovery(configuration, procfs)
        self._naming = Naming(managers(configuration))
        self._occupied = Occupied(document.redis, document.namespace)
        self._ours = Ours(self._occupied, procfs, configuration.node)
        self._served: dict[Key, _Served] = {}
        self._leaving: list[_Ending] = []
        self._refused: set[Key] = set()
        self._told: set[str] = set()
        place = {K8S_NODE: configuration.node} if configuration.in_kubernetes else {}
        self._targets = [self._of_target(*it) for it in targets(configuration)]
        self._node = self._agent(
            NodeDriver(self._files.shared),
            node=configuration.node,
            attributes={**document.attributes, **place, HOST: configuration.node},
        )

    @property
    def serves(self) -> int:
        """How many workloads have an agent."""
        return len(self._served)

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop`, then leave nothing that runs."""
        self._files.start()
        self._node.start()
        for target in self._targets:
            target.agent.start()
        self._occupied.start()
        self._naming.start()
        try:
            while True:
                try:
                    self.tick(time.monotonic())
                except Exception as error:  # noqa: BLE001  # the others go on, and so does the next
                    self._tell(f"a look at this host failed: {describe(error)}")
                if stop.wait(TICK_S):
                    return
        finally:
            self._end()

    def tick(self, now: float) -> None:
        """Look at the host once, and see to it that each workload has its agent."""
        self._discovery.look(now, self._naming.names)
        containers = {one.placed.container for one in self._discovery.facts.values()}
        self._naming.want(containers - {""})
        wanted = self._ours.of(self._discovery.facts, self._discovery.workloads, now)
        self._refused &= wanted.keys()
        for key in self._served.keys() - wanted.keys():
            self._stop(key)
        for key, workload in wanted.items():
            served = self._served.get(key)
            if served is not None and served.workload.attributes != workload.attributes:
                self._stop(key)
                served = None
            if served is None and key not in self._refused:
                self._start(key, workload)
            elif served is not None and served.workload.processes != workload.processes:
                served.workload = workload
                served.carrier.changed(workload)
        for served in (*self._served.values(), *self._targets):
            served.carrier.look()

    def _start(self, key: Key, workload: Workload) -> None:
        carrier = Carrier(workload, self._kinds, self._priorities, self._exporter)
        try:
            agent = self._agent(
                carrier, service=workload.attributes[SERVICE], attributes=workload.attributes
            )
        except UpshiftError as error:
            self._refused.add(key)
            self._tell(f"{workload.attributes[SERVICE]} cannot have an agent: {error}")
            return
        self._served[key] = _Served(workload, carrier, agent)
        agent.start()
        pids = ", ".join(str(it.pid) for it in workload.processes[:5])
        log.info("%s: %s, pid %s", workload.attributes[SERVICE], workload.language, pids)

    def _of_target(self, workload: Workload, kinds: Mapping[str, Kind]) -> _Served:
        """Of `pprof.targets`, which are there whatever runs on this host. Raise `StartRefused`."""
        carrier = Carrier(workload, kinds, {"pull": 1}, self._exporter)
        service, attributes = workload.attributes[SERVICE], workload.attributes
        try:
            agent = self._agent(carrier, service=service, attributes=attributes)
        except UpshiftError as error:
            raise StartRefused(f"{service} cannot have an agent: {error}") from error
        return _Served(workload, carrier, agent)

    def _stop(self, key: Key) -> None:
        served = self._served.pop(key)
        log.info("%s has ended, or is looked after", served.workload.attributes[SERVICE])
        self._leaving = [run for run in self._leaving if not run.ended.is_set()]
        if (run := served.agent.begin_stop()) is not None:
            self._leaving.append(run)

    def _agent(self, driver: object, **whom: Any) -> Agent:
        document = self._configuration.document
        return Agent(
            redis_url=document.redis,
            driver=driver,
            baseline_hz=document.baseline,
            max_hz=document.max_frequency,
            namespace=document.namespace,
            secrets=self._configuration.secrets,
            surroundings=False,  # its workloads are in other pods, or in none
            **whom,
        )

    def _end(self) -> None:
        """Every profiler at once, for the machine may be going down."""
        self._occupied.stop()
        self._naming.stop()
        deadline = time.monotonic() + END_S
        served = (*self._served.values(), *self._targets)
        agents = [self._node, *(it.agent for it in served)]
        runs = [run for agent in agents if (run := agent.begin_stop()) is not None]
        for ending in (*runs, *self._leaving):
            ending.join(deadline)
        for failure in self._files.close(max(FILES_S, deadline - time.monotonic())):
            log.warning("%s", failure)
        self._served.clear()

    def _tell(self, what: str) -> None:
        if what not in self._told and len(self._told) < 50:
            self._told.add(what)
            log.warning("%s", what)


def managers(configuration: Configuration) -> dict[str, Ask]:
    """Who may name the containers of this host. Of two who name the same one the later is right."""
    found: dict[str, Ask] = {}
    if configuration.document.discovery.containers:
        if (socket := containerd.socket_path()) is not None:
            found["containerd"] = lambda: containerd.ask(socket)
        if docker.SOCKET.exists():
            found["Docker"] = docker.ask
    url = kubernetes.url_of(os.environ)
    if configuration.document.discovery.kubernetes and url is not None:
        found["Kubernetes"] = lambda: kubernetes.ask(url, configuration.node)
    return found
