"""`/metrics`, `/-/healthy`, `/-/ready`, `/-/reload`, as Prometheus and Kubernetes expect them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from ..errors import Refused, StartRefused, Unavailable
from ..metrics import Metrics
from .routes import Route


def routes(
    metrics: Metrics, ping: Callable[[], Awaitable[None]], reload: Callable[[], Awaitable[str]]
) -> list[Route]:
    async def show_metrics(_: web.Request) -> web.Response:
        text = generate_latest(metrics.registry)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthy(_: web.Request) -> web.Response:
        return web.Response(text="upshift is up\n")

    async def ready(_: web.Request) -> web.Response:
        try:
            await ping()
        except Unavailable:
            metrics.ready.set(0)
            raise
        metrics.ready.set(1)
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
              summary="200 while the process serves."),
        Route(method="GET", path="/-/ready", handler=ready, role=None,
              summary="200 while Redis answers."),
        Route(method="POST", path="/-/reload", handler=do_reload, role="operator",
              summary="Read rules and tokens again; a bad file changes nothing."),
    ]  # fmt: skip  # a table, one route a row
