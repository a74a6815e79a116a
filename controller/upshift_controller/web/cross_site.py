"""Keeps web pages away from a controller without tokens: a browser on this machine can reach it."""

from __future__ import annotations

from aiohttp import web

from ..errors import Refused
from ..settings import is_loopback


def refuse_web_pages(request: web.Request) -> None:
    """Raise `Refused` for a request that only another site's page makes a browser send.

    A name that leads here by DNS rebinding stands in `Host`; another site stands in `Origin`.
    """
    host = request.headers.get("Host", "localhost")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if not is_loopback(name.strip("[]")):
        raise Refused(
            "without tokens only requests to localhost or a loopback address are answered; "
            "set `tokens:` to serve other names",
            slug="host",
            status=403,
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{host}":
        raise Refused("requests of other web sites are not answered", slug="origin", status=403)
