"""What all views share: who may see them, their frame and headers, and errors in words."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
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
from ..web.route import CALLER, admit
from .assets import assets
from .wording import FILTERS

FOLDER = Path(__file__).parent
#: What the last form brought about, for the view that is shown next.
SAID = "upshift_said"
MAX_SAID = 400
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
    """Serves views. tokens: returns those in force."""

    def __init__(self, tokens: Callable[[], Tokens]) -> None:
        self._tokens = tokens
        self._assets = assets(FOLDER / "static")
        self._away_since_s: float | None = None
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
        """views: by method and path, such as `GET /rules`. What POSTs is for operators."""
        for route, handler in views.items():
            method, _, path = route.partition(" ")
            role: Role = "operator" if method == "POST" else "viewer"
            app.router.add_route(method, path, self._guarded(handler, role))
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
        answer = web.Response(status=303, headers={**HEADERS, "Location": where})
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
                raise web.HTTPSeeOther(where, headers=HEADERS) from None
            if role == "operator":
                await self._check_form(request, cookie)
            answer = await handler(request)
            self._away_since_s = None
            return answer

        return self._in_words(serve)

    async def _check_form(self, request: web.Request, cookie: str | None) -> None:
        """Raise `Refused` for a form that is none of this session's."""
        refuse_other_sites(request)
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused("a form is sent as such", slug="content-type", status=415)
        form = await request.post()
        entered = self._tokens().signed_in(cookie, time.time()) if cookie else None
        if entered is not None and form.get("form_key") != entered.form_key:
            raise Refused(
                "this form is from before you signed in; go back and send it again",
                slug="form",
                status=403,
            )

    def _in_words(self, handler: Handler) -> Handler:
        """Errors as pages."""

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Refused as error:
                why, status = error.detail, error.status
            except Unavailable as error:
                why, status = error.detail, 503
                if self._away_since_s is None:
                    self._away_since_s = time.time()
            since_ms = self._away_since_s and round(self._away_since_s * 1000)
            return self.show(
                request, "error.html", status=status, title="Not now" if status == 503 else "No",
                why=one_line(why, 2000), since_ms=since_ms if status == 503 else None,
            )  # fmt: skip

        return serve

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=asset.content, content_type=asset.type, headers=headers)

    async def _login_form(self, request: web.Request) -> web.Response:
        return self.show(request, "login.html", title="Sign in", next=_ours(request), why="")

    async def _login(self, request: web.Request) -> web.Response:
        refuse_other_sites(request)
        token = str((await request.post()).get("token", ""))[:1000]
        cookie = self._tokens().sign_in(token, time.time())
        where = _ours(request)
        if cookie is None:
            why = "This token is not known here, or is not one that may look."
            told = {"title": "Sign in", "next": where, "why": why}
            return self.show(request, "login.html", status=403, **told)
        answer = web.Response(status=303, headers={**HEADERS, "Location": where})
        answer.set_cookie(
            COOKIE, cookie, max_age=LASTS_S, httponly=True, samesite="Strict", secure=request.secure
        )
        return answer

    async def _logout(self, request: web.Request) -> web.Response:
        refuse_other_sites(request)
        answer = web.Response(status=303, headers={**HEADERS, "Location": "/login"})
        answer.del_cookie(COOKIE)
        return answer


def _ours(request: web.Request) -> str:
    """Where to go after one has signed in: on this site, wherever somebody's link says."""
    where = request.query.get("next", "/")
    parts = urlsplit(where)
    inside = where.startswith("/") and not where.startswith(("//", "/\\"))
    return where if inside and not (parts.scheme or parts.netloc) and where.isprintable() else "/"
