"""Reports of boosts: soon after they end, or when somebody asks. One at a time, and none that a
lease, an alert or a request would wait for."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import structlog

from ..errors import Refused
from .asked import Boost
from .backends import Backend
from .spans import Span

log = structlog.get_logger()

#: A profiler tells of up to 15 s at a time, and then sends it.
SETTLED_S = 20.0
#: One report may take this long.
REPORT_S = 120.0
#: More who ask at once are sent away: each waits for those before.
MOST_WAITING = 8
#: So many are remembered, of some 30 kB each.
REMEMBERED = 200

Report = dict[str, Any]


class Reporter:
    """backend: returns the one in force, or None."""

    def __init__(self, backend: Callable[[], Backend | None]) -> None:
        self._backend = backend
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._known: OrderedDict[tuple[Any, ...], Report] = OrderedDict()

    async def report(self, boost: Boost, before_hz: int, *, days: int = 0) -> Report:
        """before_hz: what was requested before it.

        Raise `Refused` where no backend is set, or that profile is none of its, or it fails.
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
                return await self._in_turn(backend, boost, before_hz, days)
        finally:
            self._waiting -= 1

    async def _in_turn(self, backend: Backend, boost: Boost, before_hz: int, days: int) -> Report:
        key = (backend.url, boost.target, boost.lease, boost.window, days)
        if (known := self._known.get(key)) is not None:
            return known
        answer = await _made(backend, boost, boost.before(days=days), before_hz)
        if "failed" in answer:
            raise Refused(str(answer["failed"]), slug="backend", status=502)
        told = {
            "target": boost.target,
            "lease": boost.lease,
            "requested_hz": boost.hz,
            "runs": boost.runs,
            **answer,
        }
        if not boost.runs:
            self._known[key] = told
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
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
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "upshift_controller.evidence",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
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
