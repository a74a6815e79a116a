"""What all views share: who may see them, their frame and headers, and errors in words."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import jinja2
from aiohttp import web

from upshift_agent.contract import one_line

from ..errors import Refused, Unavailable
from ..settings import Role
from ..web.access.session import COOKIE, LASTS_S
from ..web.auth import Tokens
from ..web.cross_site import refuse_other_sites
from ..web.health import Readiness
from ..web.route import BODY_S, CALLER, admit
from .assets import assets
from .wording import FILTERS

FOLDER = Path(__file__).parent
#: What the last form brought about, for the view that is shown next.
SAID = "upshift_said"
MAX_SAID = 400
#: Bytes of a form.
MAX_FORM = 20_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shell:
    """Serves views. tokens: returns those in force. readiness: knows since when Redis is away."""

    def __init__(self, tokens: Callable[[], Tokens], readiness: Readiness) -> None:
        self._tokens = tokens
        self._readiness = readiness
        self._assets = assets(FOLDER / "static")
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS
        self._templates.globals["assets"] = {it.name: it.url for it in self._assets.values()}

    def add(self, app: web.Application, views: Mapping[str, Handler]) -> None:
        """views: by method and path, such as `GET /rules`. What POSTs is for operators; an ASK is a
        POST that changes nothing."""
        for route, handler in views.items():
            method, _, path = route.partition(" ")
            role: Role = "operator" if method == "POST" else "viewer"
            verb = "POST" if method == "ASK" else method
            app.router.add_route(verb, path, self._guarded(handler, role))
        app.router.add_get("/static/{name}", self._asset)
        app.router.add_get("/login", self._login_form)
        app.router.add_post("/login", self._in_words(self._login))
        app.router.add_post("/logout", self._in_words(self._logout))

    def show(
        self, request: web.Request, template: str, *, status: int = 200, **model: Any
    ) -> web.Response:
        """A view, or with `?part=1` only what is in its frame."""
        caller = request.get(CALLER)
        cookie = request.cookies.get(COOKIE)
        entered = self._tokens().signed_in(cookie, time.time()) if cookie else None
        said = unquote(request.cookies.get(SAID, ""))[:MAX_SAID]
        text = self._templates.get_template(template).render(
            model
            | {
                "frame": "part.html" if request.query.get("part") else "frame.html",
                "path": request.path,
                "caller": caller.name if caller else None,
                "may_change": caller is not None and "operator" in caller.roles,
                "signed_in": entered is not None,
                "form_key": entered.form_key if entered else "",
                "said": said,
                "now": datetime.now(UTC),
            }
        )
        answer = web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
        if said and not request.query.get("part"):
            answer.del_cookie(SAID)
        return answer

    def done(self, where: str, said: str) -> web.Response:
        """After a form: go to a view, which says what came of it."""
        answer = _to(where)
        text = quote(one_line(said, MAX_SAID))
        answer.set_cookie(SAID, text, max_age=30, httponly=True, samesite="Strict")
        return answer

    def _guarded(self, handler: Handler, role: Role) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            cookie = request.cookies.get(COOKIE)
            try:
                admit(request, role, self._tokens, cookie)
            except Refused as error:
                if error.status != 401 or request.method != "GET" or self._tokens().none:
                    raise
                where = f"/login?next={quote(request.path_qs, safe='')}"
                return _to(where)
            if request.method == "POST":
                await self._check_form(request, cookie)
            return await handler(request)

        return self._in_words(serve)

    async def _check_form(self, request: web.Request, cookie: str | None) -> None:
        """Raise `Refused` for a form that is none of this session's."""
        refuse_other_sites(request)
        given = (await form(request)).get("form_key", "").encode("utf-8", "surrogatepass")
        entered = self._tokens().signed_in(cookie, time.time()) if cookie else None
        if entered and not hmac.compare_digest(given, entered.form_key.encode()):
            raise Refused(
                "this form is from before you signed in; go back and send it again",
                slug="form",
                status=403,
            )

    def _in_words(self, handler: Handler) -> Handler:
        """Errors as pages."""

        async def serve(request: web.Request) -> web.StreamResponse:
            since_s = None
            try:
                return await handler(request)
            except Refused as error:
                why, status = error.detail, error.status
            except Unavailable as error:
                why, status = error.detail, 503
                with suppress(Unavailable):
                    await self._readiness.check()
                since_s = self._readiness.away_since_s
            return self.show(
                request,
                "error.html",
                status=status,
                title="Redis is away" if since_s else "That did not work",
                why=one_line(why, 2000),
                since_ms=since_s and since_s * 1000,
            )

        return serve

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=asset.content, content_type=asset.type, headers=headers)

    async def _login_form(self, request: web.Request) -> web.Response:
        if self._tokens().none:
            return _to("/")
        return self.show(
            request,
            "login.html",
            title="Sign in",
            next=ours(request.query.get("next", "/")),
            why="",
        )

    async def _login(self, request: web.Request) -> web.Response:
        refuse_other_sites(request)
        token = (await form(request)).get("token", "")
        cookie = self._tokens().sign_in(token, time.time())
        where = ours(request.query.get("next", "/"))
        if cookie is None:
            why = "This token is not known here, or is not one that may look."
            told = {"title": "Sign in", "next": where, "why": why}
            return self.show(request, "login.html", status=403, **told)
        answer = _to(where)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=LASTS_S,
            httponly=True,
            samesite="Strict",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )
        return answer

    async def _logout(self, request: web.Request) -> web.Response:
        refuse_other_sites(request)
        answer = _to("/login")
        answer.del_cookie(COOKIE)
        return answer


async def form(request: web.Request) -> dict[str, str]:
    """Return a form's fields. Raise `Refused` for what is none, or is too large or too slow."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("this takes a form", slug="content-type", status=415)
    if request.content_length is None or request.content_length > MAX_FORM:
        raise Refused(f"a form has at most {MAX_FORM} bytes", slug="large", status=413)
    try:
        async with asyncio.timeout(BODY_S):
            fields = await request.post()
    except TimeoutError as error:
        raise Refused(f"no whole form within {BODY_S:g} s", slug="slow", status=408) from error
    except (LookupError, ValueError) as error:
        raise Refused("the form cannot be read", slug="form", status=422) from error
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def ours(where: str) -> str:
    """Return `where` if it is on this site, else `/`."""
    parts = urlsplit(where)
    inside = where.startswith("/") and not where.startswith(("//", "/\\"))
    return where if inside and not (parts.scheme or parts.netloc) and where.isprintable() else "/"


def _to(where: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": where})
