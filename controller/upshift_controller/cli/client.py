"""The HTTP side: questions to a controller, its problem documents as `Failed`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import typer

from .errors import Failed, Unreachable
from .screen.text import plain, plain_throughout

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

Json = dict[str, Any]


class Client:
    """One controller. `timeout_s` bounds the wait for a connection and for each answer.

    Answers are for eyes: none of their texts has a line break, or anything that a terminal obeys.
    exact: for programs instead, as they came.
    """

    def __init__(
        self,
        url: str,
        token_file: Path | None,
        ca_file: Path | None = None,
        *,
        exact: bool = False,
        timeout_s: float = 10.0,
    ) -> None:
        self._exact = exact
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json"}
        if token_file is not None:
            self._headers["Authorization"] = f"Bearer {token_in(token_file)}"
        self._opener = _opener(_scheme(url), ca_file)

    def get(self, *path: str, **query: str | int) -> Json:
        return self._ask("GET", path, query)

    def post(self, *path: str, body: bytes | Json) -> Json:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", path, {}, data)

    def delete(self, *path: str, **query: str | int) -> Json:
        return self._ask("DELETE", path, query)

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: Mapping[str, str | int],
        body: bytes | None = None,
    ) -> Json:
        from http.client import HTTPException, InvalidURL
        from urllib.request import Request

        address = "/".join([self.url, "api/v1", *(quote(part, safe="/") for part in path)])
        whole = f"{address}?{urlencode(query)}" if query else address
        request = Request(whole, body, self._headers, method=method)  # noqa: S310  # see _scheme
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                status, reason, said = response.status, response.reason, response.read()
        except (InvalidURL, UnicodeError) as error:
            raise _no_url(self.url) from error
        except (OSError, HTTPException) as error:
            raise Unreachable(
                f"no controller answers at {self.url} ({_why(error)})\n"
                "Start one with `upshift serve`, or say where it is with --url or UPSHIFT_URL."
            ) from error
        # JSON without an escape in it holds nothing but what it shows; and most has none.
        simple = said.isascii() and b"\\" not in said and b"\x7f" not in said
        try:
            answer = json.loads(said)
            if not (simple or (self._exact and status < 300)):
                answer = plain_throughout(answer)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"what answers at {self.url} is no Upshift controller: it said "
                f"{status} {plain(reason)} to {method} {address}"
            )
        if status >= 300:
            raise Failed(_problem(status, answer, named="Authorization" in self._headers))
        return answer


def _scheme(url: str) -> str:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.scheme
    except ValueError as error:
        raise _no_url(url) from error
    raise _no_url(url)


def _no_url(url: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"must be like http://127.0.0.1:9095, got {url!r}", param_hint="--url"
    )


def _opener(scheme: str, ca_file: Path | None) -> OpenerDirector:
    """What asks, through a proxy where the environment names one. It follows no redirection: the
    token is for nobody else; and any status is an answer."""
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler

    opener = OpenerDirector()
    opener.add_handler(ProxyHandler())
    opener.add_handler(HTTPHandler())
    if scheme == "https":
        import ssl

        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise typer.BadParameter(
                f"{ca_file} holds no CA certificates", param_hint="--ca-file"
            ) from error
        opener.add_handler(HTTPSHandler(context=context))
    return opener


def token_in(path: Path, option: str = "--token-file") -> str:
    """Return the token that a file holds. Raise `BadParameter`, which names the option."""
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not plain ASCII"
        raise typer.BadParameter(
            f"cannot read a token from {path}: {why}", param_hint=option
        ) from error
    if not token.isprintable() or not token:
        raise typer.BadParameter(f"{path} must hold one token and nothing else", param_hint=option)
    return token


def _problem(status: int, problem: Mapping[str, Any], *, named: bool) -> str:
    """An RFC 9457 problem document, for people. named: a token was given."""
    detail = problem.get("detail") or problem.get("title") or f"HTTP status {status}"
    faults = [str(fault) for fault in problem.get("errors") or ()]
    lines = [f"refused: {detail}"] if len(faults) < 2 else ["refused:", *faults]
    if status in (401, 403) and not named:
        lines.append("Give a token with --token-file or UPSHIFT_TOKEN_FILE.")
    return "\n  ".join(lines)


def _why(error: Exception) -> str:
    """The plain cause beneath the layer that the library wraps around it."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return "it does not answer in time"
    return plain(getattr(cause, "strerror", None) or cause) or type(cause).__name__
