"""Errors as RFC 9457 problem documents, for every way in which a request can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import structlog
from aiohttp import web

from upshift_agent.contract import one_line

from ..errors import Refused, Unavailable

#: What is said of a request may quote it. Characters, and single faults.
MAX_DETAIL = 2000
MAX_ERRORS = 20

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    errors: Sequence[str] = (),
    headers: dict[str, str] | None = None,
) -> web.Response:
    document: dict[str, object] = {
        "type": f"urn:upshift:problem:{slug}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": one_line(detail, MAX_DETAIL),
    }
    if errors:
        document["errors"] = [one_line(error, MAX_DETAIL) for error in errors[:MAX_ERRORS]]
    return web.json_response(
        document, status=status, content_type="application/problem+json", headers=headers
    )


def middleware(rejected: Callable[[str], None]) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that makes problem documents; `rejected` gets the slug of each."""

    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as error:
            slug, answer = (
                error.slug,
                problem(error.status, error.slug, error.detail, errors=error.errors),
            )
        except Unavailable as error:
            slug, answer = (
                "unavailable",
                problem(
                    503,
                    "unavailable",
                    error.detail,
                    headers={"Retry-After": str(error.retry_after_s)},
                ),
            )
        except web.HTTPException as error:
            if error.status < 400:
                raise
            slug, answer = _slug(error.status), _from_aiohttp(error)
        except Exception:
            log.exception("request failed", verb=request.method, path=request.path)
            slug = "internal"
            answer = problem(500, slug, "a defect of the controller's; its log says more")
        rejected(slug)
        return answer

    return problems


def _from_aiohttp(error: web.HTTPException) -> web.Response:
    details = {
        404: "nothing is served here; GET /api/v1/openapi.json lists what is",
        405: f"allowed here: {error.headers.get('Allow', '')}",
    }
    detail = details.get(error.status, error.text or error.reason)
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return problem(error.status, _slug(error.status), detail, headers=headers)


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")
