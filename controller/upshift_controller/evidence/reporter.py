"""Reports of boosts: soon after they end, or when somebody asks. One at a time, and nothing that a
lease or an alert would wait for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

import structlog

from upshift_agent.contract import ENVIRONMENT, Baseline

from ..errors import Refused, Unavailable
from .asked import Boost
from .backends import Backend
from .report import REPORT_S
from .shown.written import headline
from .spans import FEWEST_PARTS, LEAST_MS, Span

log = structlog.get_logger()

#: A profiler tells of up to 15 s at a time, and then sends it.
SETTLED_S = 20.0
#: More who ask at once are sent away: each waits for those before.
MOST_WAITING = 8
#: Boosts that have ended and wait for their report. Of a storm, the others are reported when asked.
MOST_ENDED = 200

#: Of a shorter one, no report is made unasked: it would say that nothing can be compared.
SHORTEST_MS = FEWEST_PARTS * LEAST_MS

Report = dict[str, Any]


class Kept(Protocol):
    """Where reports are kept. Each raises `Unavailable`."""

    async def keep(self, target: str, report: Report) -> None: ...
    async def newest(self, target: str) -> list[Report]:
        """Newest first."""


class Reporter:
    """backend: returns the one in force, or None. baseline: returns what agents rest at."""

    def __init__(
        self,
        backend: Callable[[], Backend | None],
        baseline: Callable[[], Baseline],
        kept: Kept,
        made: Callable[[str], object],
    ) -> None:
        """made: is told `made` or `failed` of each that was made unasked."""
        self._backend = backend
        self._baseline = baseline
        self._kept = kept
        self._made = made
        self._turn = asyncio.Lock()
        self._ended: deque[tuple[float, Boost]] = deque(maxlen=MOST_ENDED)
        self._news = asyncio.Event()
        self._waiting = 0

    async def report(self, boost: Boost, *, days: int = 0) -> Report:
        """days: compare with so many days before, in place of just before it.

        Raise `Refused` where no backend is set, or that profile is none of its, or it fails; and
        `Unavailable`.
        """
        backend = self._backend()
        if backend is None:
            raise Refused(
                "no backend is set: upshift.yaml needs `backends:` with parca or pyroscope",
                slug="no-backend",
                status=409,
            )
        if boost.profile not in backend.profiles:
            names = ", ".join(sorted(backend.profiles))
            raise Refused(
                f"backends.{backend.kind}.profiles does not say how {boost.profile} is called"
                f" there; known: {names}",
                slug="no-backend",
                status=409,
            )
        if self._waiting >= MOST_WAITING:
            raise Refused("others wait for reports: ask again", slug="busy", status=503)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._in_turn(backend, boost, days)
        finally:
            self._waiting -= 1

    @property
    def has_backend(self) -> bool:
        return self._backend() is not None

    def ended(self, boost: Boost) -> None:
        """A boost has ended here; its report is due when its last profiles have been sent."""
        if boost.window.length_ms >= SHORTEST_MS:
            self._ended.append((asyncio.get_running_loop().time() + SETTLED_S, boost))
            self._news.set()

    async def run(self) -> None:
        """Report what has ended, for ever."""
        while True:
            if not self._ended:
                self._news.clear()
                await self._news.wait()
            due, boost = self._ended.popleft()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            try:
                told = await self.report(boost)
            except (Refused, Unavailable) as error:
                self._made("failed")
                log.warning("no report", target=boost.target, lease=boost.lease, why=str(error))
            else:
                self._made("made")
                log.info("report", target=boost.target, lease=boost.lease, brought=headline(told))

    async def _in_turn(self, backend: Backend, boost: Boost, days: int) -> Report:
        about = {"lease": boost.lease, "since_ms": boost.window.from_ms, "days": days}
        if not boost.runs:
            for known in await self._kept.newest(boost.target):
                if about.items() <= known.items() and known.get("backend") == backend.kind:
                    return known
        environment = boost.where.get(ENVIRONMENT)
        before_hz, _ = self._baseline().of(
            environment if isinstance(environment, str) else "", boost.profile
        )
        answer = await _made(backend, boost, boost.before(days=days), before_hz)
        if "failed" in answer:
            raise Refused(str(answer["failed"]), slug="backend", status=502)
        told = {
            "target": boost.target,
            **about,
            "requested_hz": boost.hz,
            "runs": boost.runs,
            **answer,
        }
        if not boost.runs and answer["window"]["samples"]:
            await self._kept.keep(boost.target, told)
        return told


async def _made(backend: Backend, boost: Boost, before: Span, before_hz: int) -> Report:
    """Ask a process of its own."""
    job = {
        "backend": asdict(backend),
        "labels": boost.labels(),
        "profile": boost.profile,
        "window": [boost.window.from_ms, boost.window.until_ms],
        "before": [before.from_ms, before.until_ms],
        "hz": boost.hz,
        "before_hz": before_hz,
    }
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no module of the folder that we happen to be in
            "-m",
            "upshift_controller.evidence",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return {"failed": f"no process can be had for a report: {error.strerror}"}
    try:
        async with asyncio.timeout(REPORT_S):
            answer, complaint = await process.communicate(json.dumps(job).encode())
    except TimeoutError:
        return {"failed": f"no report within {REPORT_S:g} s: the backend is slow"}
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        log.error("a report failed", target=boost.target, said=complaint.decode()[-2000:])
        return {"failed": "the report failed, and the controller's log says how"}
    return dict(json.loads(answer))
