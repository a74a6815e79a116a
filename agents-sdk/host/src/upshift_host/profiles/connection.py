"""One connection to a backend, kept open from one request to the next."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from .request import Request

TIMEOUT_S = 10.0
MAX_ANSWER = 500  # bytes of it that are worth telling


class Unreached(Exception):
    """No answer came; the sentence says why."""


class Connection:
    """Posts requests below one URL. For one thread."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Raise `ValueError` for what is no http:// or https:// URL of a server."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"a backend is http://HOST:PORT or https://HOST:PORT, got {url!r}")
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("a backend's URL has no user, query or fragment; use headers")
        self.url = url
        self._path = parts.path.rstrip("/")
        self._headers = dict(headers)
        if parts.scheme == "https":
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname,
                parts.port,
                timeout=TIMEOUT_S,
                context=ssl.create_default_context(),
            )
        else:
            self._http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)

    def post(self, request: Request) -> tuple[int, str]:
        """The answer's status and the beginning of what it says. Raise `Unreached`."""
        kept = self._http.sock is not None
        try:
            return self._post(request)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            # A server ends a connection that rested for long; that is no failure of its own.
            if not kept:
                raise Unreached(self._said(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreached(self._said(error)) from error
        try:
            return self._post(request)
        except (OSError, http.client.HTTPException) as error:
            raise Unreached(self._said(error)) from error

    def close(self) -> None:
        with suppress(OSError):
            self._http.close()

    def _post(self, request: Request) -> tuple[int, str]:
        headers = {**self._headers, "Content-Type": request.content_type}
        try:
            self._http.request("POST", self._path + request.path, request.body, headers)
            answer = self._http.getresponse()
            said = answer.read(MAX_ANSWER)
        except BaseException:
            self.close()
            raise
        if not answer.isclosed():  # there was more: nobody needs it
            self.close()
        return answer.status, " ".join(said.decode("utf-8", "replace").split())

    def _said(self, error: Exception) -> str:
        return f"{self.url}: {error or type(error).__name__}"
