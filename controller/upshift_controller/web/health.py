"""`/metrics`, `/-/healthy`, `/-/ready`, `/-/reload`, as Prometheus and Kubernetes expect them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from ..errors import Refused, StartRefused, Unavailable
from ..metrics import Metrics
from ..runtime.supervised import end
from .route import Route

#: A readiness that was found is told for this many seconds.
CACHED_S = 1.0


class Readiness:
    """Whether a commit would go through. However many ask, `probe` is run once at a time."""

    def __init__(self, probe: Callable[[], Awaitable[None]], tell: Callable[[bool], None]) -> None:
        self._probe = probe
        self._tell = tell
        self._until = 0.0
        self._problem: str | None = None
        #: Unix seconds of the first look that found a problem which is still there.
        self.away_since_s: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raise `Unavailable`, saying why, unless a commit would go through."""
        if time.monotonic() >= self._until:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look(), name="readiness")
            await asyncio.shield(self._looking)
        if self._problem is not None:
            raise Unavailable(self._problem)

    async def aclose(self) -> None:
        """End a probe that is under way: it has connections."""
        if self._looking is not None:
            await end(self._looking)

    async def _look(self) -> None:
        try:
            await self._probe()
            self._problem = None
        except Unavailable as error:
            self._problem = error.detail
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told
            self._problem = f"a defect of the controller's: {error!r}"
        if self._problem is None:
            self.away_since_s = None
        elif self.away_since_s is None:
            self.away_since_s = time.time()
        self._until = time.monotonic() + CACHED_S
        self._tell(self._problem is None)


def routes(
    metrics: Metrics,
    readiness: Readiness,
    reload: Callable[[], Awaitable[str]],
    look: Callable[[], Awaitable[None]],
    *,
    own_redis: bool = False,
) -> list[Route]:
    """look: bring the fleet's figures up to date. own_redis: its Redis is a part of this process,
    so it is healthy with that one only."""

    async def show_metrics(_: web.Request) -> web.Response:
        await look()
        text = generate_latest(metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_: web.Request) -> web.Response:
        if own_redis:
            await readiness.check()
        return web.Response(text="upshift is up\n")

    async def ready(_: web.Request) -> web.Response:
        await readiness.check()
        return web.Response(text="upshift is ready\n")

    async def do_reload(_: web.Request) -> web.Response:
        try:
            return web.Response(text=await reload() + "\n")
        except StartRefused as error:
            faults = str(error).splitlines()
            detail = f"refused, the configuration in force stays: {faults[0]}"
            raise Refused(detail, slug="configuration", status=422, errors=faults) from error

    return [
        Route(method="GET", path="/metrics", handler=show_metrics, role="viewer",
              summary="Prometheus metrics."),
        Route(method="GET", path="/-/healthy", handler=healthy, role=None,
              summary="200 while the process serves, and so does its own Valkey."),
        Route(method="GET", path="/-/ready", handler=ready, role=None,
              summary="200 while a commit goes through."),
        Route(method="POST", path="/-/reload", handler=do_reload, role="operator",
              summary="Read rules and tokens again; a bad file changes nothing."),
    ]  # fmt: skip  # a table, one route a row
