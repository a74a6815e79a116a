"""A route with all that is known of it: the server, the checks and the OpenAPI document agree."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from ..errors import Refused
from ..settings import Role
from .auth import Caller, Tokens
from .cross_site import refuse_other_sites, refuse_web_pages
from .large import LargeBodies

#: A body must be there after this many seconds: what Alertmanager sends is, in one.
BODY_S = 15.0

M = TypeVar("M", bound=BaseModel)
CALLER = web.RequestKey("caller", Caller)


@dataclass(frozen=True, slots=True)
class StillAllowed:
    """Says whether the caller may still do this, for answers that last.

    The request holds this, so this must not hold the request: in a circle its body, of megabytes,
    would stay until the collector comes, which counts objects and not bytes.
    """

    role: Role
    authorization: str | None
    certificate: Mapping[str, Any] | None
    address: str | None
    users: Sequence[str]
    tokens: Callable[[], Tokens]
    cookie: str | None = None

    def caller(self) -> Caller | None:
        """Raise `Refused` as `Tokens.caller` does."""
        if self.cookie is not None and self.authorization is None:
            entered = self.tokens().signed_in(self.cookie, time.time())
            if entered is not None:
                return entered.caller
        return self.tokens().caller(self.authorization, self.certificate, self.address, self.users)

    def __call__(self) -> bool:
        try:
            caller = self.caller()
        except Refused:
            return False
        return caller is not None and self.role in caller.roles


ALLOWED = web.RequestKey("allowed", StillAllowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route: how it is asked, who may ask, what it answers.

    role: None: open to all. query: names of parameters and what they mean.
    """

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str
    role: Role | None
    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    query: Mapping[str, str] = field(default_factory=dict)


def add(app: web.Application, routes: Sequence[Route], tokens: Callable[[], Tokens]) -> None:
    large = LargeBodies()
    for route in routes:
        app.router.add_route(route.method, route.path, _checked(route, tokens, large))


def admit(
    request: web.Request, role: Role, tokens: Callable[[], Tokens], cookie: str | None = None
) -> None:
    """Note on `request` who asks, and that they may. Raise `Refused` if they may not.

    cookie: of who is signed in at the page; counts where no `Authorization` is sent.
    """
    known = tokens()
    if known.none:
        refuse_web_pages(request)
    allowed = StillAllowed(
        role,
        request.headers.get("Authorization"),
        request.get_extra_info("peercert"),
        request.remote,
        request.headers.getall(known.proxy.header, ()) if known.proxy else (),
        tokens,
        cookie,
    )
    caller = allowed.caller()
    if caller is None:
        raise Refused(
            "this needs a known token: Authorization: Bearer …", slug="unauthorized", status=401
        )
    if role not in caller.roles:
        raise Refused(
            f"{caller.name} may not do this; it takes a token with the role {role}"
            + (", or that role in auth.roles" if known.proxy else ""),
            slug="forbidden",
            status=403,
        )
    request[CALLER] = caller
    if allowed.users or cookie:
        refuse_other_sites(request)
    request[ALLOWED] = allowed


def _checked(
    route: Route, tokens: Callable[[], Tokens], large: LargeBodies
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        if route.role is not None:
            admit(request, route.role, tokens)
        if request.query_string and (unknown := set(request.query) - set(route.query)):
            these = f"known: {', '.join(route.query)}" if route.query else "none is known here"
            raise Refused(f"unknown parameter {min(unknown)}; {these}", slug="query", status=422)
        caller = request.get(CALLER)
        async with large.turn(request, caller and caller.name):
            return await route.handler(request)

    return handler


async def json_body(request: web.Request) -> bytes:
    """The body, which must be JSON by its own account.

    That also keeps web pages out: a browser asks before it sends this type to another origin.
    """
    if request.content_type != "application/json":
        raise Refused(
            f"Content-Type must be application/json, got {request.content_type}",
            slug="content-type",
            status=415,
        )
    if "Content-Encoding" in request.headers:
        raise Refused(
            "the body must not be compressed: leave out Content-Encoding",
            slug="content-type",
            status=415,
        )
    if request.content.is_eof():  # all of it came with the head, as nearly always
        return await request.read()
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise Refused(f"no whole body within {BODY_S:g} s", slug="slow", status=408) from error


async def read_model(request: web.Request, model: type[M]) -> M:
    body = await json_body(request)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors(include_url=False)]
        raise Refused("; ".join(faults), slug="body", status=422, errors=faults) from error


def answer(model: BaseModel, status: int = 200) -> web.Response:
    return web.Response(
        text=model.model_dump_json(), status=status, content_type="application/json"
    )


def whole_number(request: web.Request, name: str, default: int, lowest: int, highest: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(f"{name} must be a whole number, got {text[:40]!r}", slug="query", status=422)
    if not lowest <= int(text) <= highest:
        raise Refused(f"{name} must be {lowest}–{highest}, got {text}", slug="query", status=422)
    return int(text)


def _fault(error: Mapping[str, Any]) -> str:
    where = ".".join(map(str, error["loc"]))
    message = error["msg"][:1].lower() + error["msg"][1:]
    return f"{where}: {message}" if where else message
