"""The HTTP side: questions to a controller, its problem documents as `Failed`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from .errors import Failed, Unreachable
from .text import plain

if TYPE_CHECKING:
    import requests

Json = dict[str, Any]


class Client:
    """One controller. `timeout_s` bounds the wait for a connection and for each answer."""

    def __init__(
        self,
        url: str,
        token_file: Path | None,
        ca_file: Path | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> None:
        import requests  # slow to import, and `--help` has no use for it

        self.url = url.rstrip("/")
        # With each request: what is set for the session gives way to REQUESTS_CA_BUNDLE.
        self._options: Json = {"timeout": timeout_s, "verify": True if ca_file is None else ca_file}
        self._session = requests.Session()
        # Also without a token: it keeps an entry of ~/.netrc from being sent in its place.
        self._session.auth = _Bearer(None if token_file is None else _token(token_file))

    def get(self, *path: str, **query: str | int) -> Json:
        return self._ask("GET", path, params=query)

    def post(self, *path: str, body: bytes | Json) -> Json:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask("POST", path, data=data, headers={"Content-Type": "application/json"})

    def delete(self, *path: str, **query: str | int) -> Json:
        return self._ask("DELETE", path, params=query)

    def _ask(self, method: str, path: tuple[str, ...], **options: Any) -> Json:
        from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema, RequestException

        address = "/".join([self.url, "api/v1", *(quote(part, safe="/") for part in path)])
        try:
            response = self._session.request(method, address, **self._options, **options)
        except (InvalidSchema, InvalidURL, MissingSchema) as error:
            raise typer.BadParameter(
                f"must be like http://127.0.0.1:9095, got {self.url!r}", param_hint="--url"
            ) from error
        except RequestException as error:
            raise Unreachable(
                f"no controller answers at {self.url} ({_why(error)})\n"
                "Start one with `upshift serve`, or say where it is with --url or UPSHIFT_URL."
            ) from error
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(
                f"what answers at {self.url} is no Upshift controller: it said "
                f"{response.status_code} {response.reason} to {method} {address}"
            )
        if not response.ok:
            raise Failed(_problem(response.status_code, answer))
        return answer


class _Bearer:
    """Sends a token, if there is one."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not plain ASCII"
        raise typer.BadParameter(
            f"cannot read a token from {path}: {why}", param_hint="--token-file"
        ) from error
    if not token.isprintable() or not token:
        raise typer.BadParameter(
            f"{path} must hold one token and nothing else", param_hint="--token-file"
        )
    return token


def _problem(status: int, problem: Mapping[str, Any]) -> str:
    """An RFC 9457 problem document, for people."""
    detail = plain(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
    faults = [plain(fault) for fault in problem.get("errors") or ()]
    lines = [f"refused: {detail}"] if len(faults) < 2 else ["refused:", *faults]
    if status in (401, 403):
        lines.append("Give a token with --token-file or UPSHIFT_TOKEN_FILE.")
    return "\n  ".join(lines)


def _why(error: Exception) -> str:
    """The plain cause beneath the layers that HTTP libraries wrap around it."""
    import requests

    if isinstance(error, requests.exceptions.Timeout):
        return "it does not answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        reason = getattr(cause, "reason", None)
        inner = reason if isinstance(reason, BaseException) else cause.args and cause.args[0]
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__
    return type(error).__name__
