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


def refuse_other_sites(request: web.Request) -> None:
    """Raise `Refused` for a change that another site's page made the browser of somebody send who
    is signed in at the proxy. Reading is not in question: no answer allows another origin.

    Browsers say which it is; one that does not yet names the page's site, which must be ours.
    """
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    ours = {request.headers.get(it) for it in ("Host", "X-Forwarded-Host")}
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.rpartition("://")[2] not in ours
    if foreign:
        raise Refused("requests of other web sites are not answered", slug="origin", status=403)
