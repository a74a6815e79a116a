"""Whom an SDK looks after already: processes with a live agent of their own, by its status.

A status says of which process it is, by its pid as that process sees it, when the process began,
and what it calls its host. It is read from Redis on a thread of its own. While Redis is away what
was last known holds. The agents' own user of Redis reads no statuses; the host agent's has to.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from upshift_agent.contract import (
    HOST,
    PID,
    STARTED,
    Keys,
    Status,
    decode_status,
    is_live,
    service_target,
)
from upshift_agent.contract.errors import WireError
from upshift_agent.following.connect import Servers

from ..said import describe, log
from ..workload import Process

#: From a look to the next: soon while a process is new, for an SDK takes its time to report.
SOON_S = 5.0
NEW_S = 60.0
SELDOM_S = 60.0
CONNECT_S = 5.0
READ_S = 10.0  # all that one server is asked


@dataclass(frozen=True, slots=True)
class Known:
    """A process as its own SDK would see it. hosts: what it may call its host; empty: unknown."""

    inner_pid: int
    start_ticks: int
    hosts: frozenset[str]


def cared_for(known: Known, statuses: Iterable[Status], now_ms: int) -> bool:
    """Whether one of `statuses` is a live agent's in that process. now_ms: Redis time. Pure."""
    return any(
        status.attributes.get(PID) == str(known.inner_pid)
        and status.attributes.get(STARTED) == str(known.start_ticks)
        and (not known.hosts or status.attributes.get(HOST) in known.hosts)
        and is_live(status, now_ms)
        for status in statuses
    )


class Occupied:
    """`want` and `processes` are for the host agent's thread, and never wait."""

    def __init__(self, url: str, namespace: str) -> None:
        self._url = url
        self._keys = Keys(namespace)
        self._news = threading.Condition()
        self._wanted: dict[str, dict[Process, Known]] = {}
        self._since: dict[Process, float] = {}
        self._looked: dict[str, float] = {}
        self._seen: dict[str, dict[Process, bool]] = {}
        self._ended = False
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="upshift-occupied", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._news:
            self._ended = True
            self._news.notify()

    def want(self, wanted: Mapping[str, Mapping[Process, Known]], now: float) -> None:
        """These are to be looked for, by service; one may be of several. now: monotonic seconds."""
        with self._news:
            if wanted == self._wanted:
                return
            self._wanted = {service: dict(known) for service, known in wanted.items()}
            all_of = {process for known in wanted.values() for process in known}
            self._since = {process: self._since.get(process, now) for process in all_of}
            self._seen = {
                service: {it: seen for it, seen in known.items() if it in wanted[service]}
                for service, known in self._seen.items()
                if service in wanted
            }
            self._news.notify()

    def by_an_sdk(self, process: Process) -> bool | None:
        """Whether an SDK looks after it; None while that has not been looked for."""
        with self._news:
            services = [service for service, known in self._wanted.items() if process in known]
            seen = [self._seen.get(service, {}).get(process) for service in services]
        if any(seen):
            return True
        return None if None in seen or not seen else False

    def waited_s(self, process: Process, now: float) -> float:
        """For how long it has been wanted."""
        return now - self._since.get(process, now)

    def _run(self) -> None:
        servers = Servers(self._url)
        while True:
            with self._news:
                if self._ended:
                    return
                now = time.monotonic()
                due = {name: dict(self._wanted[name]) for name in self._due(now)}
                if not due:
                    self._news.wait(1.0)
                    continue
                self._looked |= dict.fromkeys(due, now)
            try:
                found = asyncio.run(_statuses(servers, self._keys, due))
            except Exception as error:  # noqa: BLE001  # Redis is away; the follower says so too
                self._tell(f"who has an SDK cannot be read: {describe(error)}")
                continue
            self._told = ""
            with self._news:
                for service, (statuses, now_ms) in found.items():
                    self._seen[service] = {
                        process: cared_for(known, statuses, now_ms)
                        for process, known in due[service].items()
                    }

    def _due(self, now: float) -> list[str]:
        """Services whose statuses are to be read now."""
        due = []
        for service, known in self._wanted.items():
            youngest = min((now - self._since[it] for it in known), default=NEW_S)
            unseen = not known.keys() <= self._seen.get(service, {}).keys()
            pause_s = 1.0 if unseen else SOON_S if youngest < NEW_S else SELDOM_S
            if now - self._looked.get(service, -pause_s) >= pause_s:
                due.append(service)
        return due

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            log.warning("%s", what)


async def _statuses(
    servers: Servers, keys: Keys, services: Collection[str]
) -> dict[str, tuple[list[Status], int]]:
    """All statuses of each service, and Redis time in milliseconds when they were read."""
    by_key = {keys.agents(service_target(service)): service for service in services}
    found: dict[str, tuple[list[Status], int]] = {}
    together = [[key] for key in by_key] if servers.sharded else [list(by_key)]
    for some in together:
        async with asyncio.timeout(READ_S), servers.holding(some[0], CONNECT_S) as client:
            for key in some:
                seconds, micros = await client.time()
                raw: Any = await client.hvals(key)
                now_ms = seconds * 1000 + micros // 1000
                found[by_key[key]] = ([it for one in raw if (it := _decoded(one))], now_ms)
    return found


def _decoded(message: bytes) -> Status | None:
    with suppress(WireError):
        return decode_status(message)
    return None
