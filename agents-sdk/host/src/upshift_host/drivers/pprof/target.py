"""Asks one target for its profiles. For one thread, but for `abort`."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import ProfilerFailed
from .reading import MAX_BYTES

TIMEOUT_S = 10.0
MAX_TOLD = 300  # bytes of an answer that are worth telling
#: What net/http/pprof answers, with a 500, where a profile is being taken already.
IN_USE = "already in use"


class Busy(Exception):
    """Somebody else takes a profile of it at this moment."""


class Aborted(Exception):
    """`abort` was called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """url: of net/http/pprof, such as `http://127.0.0.1:6060/debug/pprof`. token_file: of a bearer
    token, read anew each time. ca_file: whom https trusts in place of the system's authorities."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None


class Target:
    """Connections are not kept: whoever profiles for 10 s and rests does not need them."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._aborts = 0

    @property
    def aborts(self) -> int:
        """How often `abort` was called."""
        return self._aborts

    def get(self, path: str, aborts: int, lasts_s: float = 0.0) -> bytes:
        """The answer to a GET below the URL, for which the target takes `lasts_s`.

        aborts: as they were when this was decided. Raise `Aborted` if there was one since, `Busy`,
        or `ProfilerFailed` for everything else that is no profile.
        """
        parts = urlsplit(self.address.url)
        connection = None
        try:
            connection = self._connect(parts.scheme, parts.hostname or "", parts.port)
            connection.connect()
            with self._lock:
                if self._aborts != aborts:
                    raise Aborted
                self._connection = connection
            connection.sock.settimeout(lasts_s + TIMEOUT_S)
            connection.request("GET", f"{parts.path.rstrip('/')}{path}", headers=self._headers())
            answer = connection.getresponse()
            most = MAX_BYTES + 1 if answer.status == 200 else MAX_TOLD
            body = _body(answer, most, time.monotonic() + TIMEOUT_S)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._aborts != aborts:
                raise Aborted from error
            said = f"{error}" or type(error).__name__
            raise ProfilerFailed(f"{self.address.url}: {said}") from error
        finally:
            self._close(connection)
        if answer.status != 200:
            said = " ".join(body.decode("utf-8", "replace").split())
            if answer.status == 500 and IN_USE in said:
                raise Busy
            raise ProfilerFailed(f"{self.address.url} answers {answer.status} {said}".rstrip())
        if len(body) > MAX_BYTES:
            raise ProfilerFailed(f"{self.address.url}: a profile of more than 32 MiB")
        return body

    def abort(self) -> None:
        """End what is being asked; the target ends its profile, too."""
        with self._lock:
            self._aborts += 1
            if self._connection is not None and self._connection.sock is not None:
                with suppress(OSError):
                    self._connection.sock.shutdown(socket.SHUT_RDWR)

    def _connect(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        if scheme != "https":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        context = ssl.create_default_context(
            cafile=None if self.address.ca_file is None else str(self.address.ca_file)
        )
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/octet-stream"}
        if self.address.token_file is not None:
            token = self.address.token_file.read_text("ascii").strip()
            if not token or not token.isprintable() or " " in token:
                raise ValueError(f"{self.address.token_file} must hold one token, alone")
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _close(self, connection: http.client.HTTPConnection | None) -> None:
        with self._lock:
            self._connection = None
        if connection is not None:
            with suppress(OSError):
                connection.close()


def _body(answer: http.client.HTTPResponse, most: int, deadline: float) -> bytes:
    """As much of it as comes in time: who sends a byte now and then holds up nobody."""
    parts: list[bytes] = []
    size = 0
    while size < most and (part := answer.read1(min(65_536, most - size))):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise OSError("it does not come to an end")
    return b"".join(parts)
