"""One question to a real Prometheus, through its client, which waits: for threads, not for the
event loop. Whatever is there, it is over after some seconds and takes bounded memory."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any

from upshift_agent.contract import one_line

from ...errors import BadQuery, NoAnswer
from ...sections.prometheus import Prometheus
from .answers import NO_PROMETHEUS

#: From sending a question to having the answer.
PATIENCE_S = 2.0
#: Of an answer.
MAX_BYTES = 1024 * 1024
#: Characters of what Prometheus says of a query that it refuses.
MAX_SAID = 300
#: Statuses of a query that Prometheus understands to be wrong, or cannot carry out.
_BAD = (400, 422)


class Connected:
    """Asks one Prometheus; from as many threads as there are `connections`, each kept open."""

    def __init__(self, where: Prometheus, connections: int = 1) -> None:
        self._where = where
        self._connections = connections
        self._lock = threading.Lock()
        self._client: Any = None

    def prepare(self) -> Any:
        """Load and make the client, which takes some tenths of a second."""
        with self._lock:
            if self._client is None:
                self._client = _client(self._where, self._connections)
            return self._client

    def __call__(self, query: str) -> Any:
        """Return `data.result` of an instant query. Raise `BadQuery` or another `NoAnswer`."""
        from requests import RequestException

        try:
            return self.prepare().custom_query(query, params={"timeout": f"{PATIENCE_S:g}s"})
        except NoAnswer:
            raise
        except Exception as error:  # whatever a network, three libraries or strange JSON raise
            if _is_late(error):
                raise NoAnswer(LATE) from error
            if isinstance(error, RequestException) and not isinstance(error, ValueError):
                raise NoAnswer("Prometheus cannot be reached") from error
            raise NoAnswer(f"{NO_PROMETHEUS} ({type(error).__name__})") from error


LATE = f"Prometheus has not answered within {PATIENCE_S:g} s"


def _is_late(error: BaseException | None) -> bool:
    """Whether a time limit is what an error comes from, through the layers of libraries."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__ or error.__context__
    return error is not None


def _client(where: Prometheus, connections: int) -> Any:
    from prometheus_api_client import PrometheusConnect
    from requests import PreparedRequest, Session
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase

    class Bearer(AuthBase):
        """So that no .netrc speaks in its place, as it would in a header's."""

        def __call__(self, request: PreparedRequest) -> PreparedRequest:
            request.headers["Authorization"] = f"Bearer {where.token}"
            return request

    class Bounded(Session):
        def request(self, *args: Any, **named: Any) -> Any:
            until = time.monotonic() + PATIENCE_S
            named["data"] = named.pop("params")  # a query may be longer than URLs may be
            named |= {"timeout": PATIENCE_S, "stream": True, "allow_redirects": False}
            response = super().request(*args, **named)
            try:
                body = _read(response.raw, until)
            finally:
                response.close()
            if response.status_code != 200:
                raise _refused(response.status_code, body)
            response.raw = io.BytesIO(body)
            return response

    session = Bounded()
    if where.ca_file is not None:
        session.verify = where.ca_file
    client = PrometheusConnect(
        where.url,
        headers={"Accept-Encoding": "identity"},  # nothing that grows when it is unpacked
        session=session,
        auth=Bearer() if where.token else None,
        method="POST",
    )
    # In place of the client's own, which tries again for seconds and keeps ten connections.
    session.mount(where.url, HTTPAdapter(pool_maxsize=connections, max_retries=0))
    return client


def _read(raw: Any, until: float) -> bytes:
    """Return a body, each read of which waits for `PATIENCE_S` at most. Raise `NoAnswer`."""
    body = bytearray()
    while chunk := raw.read1(65_536, decode_content=False):
        body += chunk
        if len(body) > MAX_BYTES:
            raise BadQuery(f"its answer has more than {MAX_BYTES // 1024**2} MiB")
        if time.monotonic() > until:
            raise NoAnswer(LATE)
    return bytes(body)


def _refused(status: int, body: bytes) -> NoAnswer:
    if status not in _BAD:
        return NoAnswer(f"Prometheus answers with HTTP status {status}")
    try:
        said = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return NoAnswer(f"{NO_PROMETHEUS} (HTTP status {status})")
    return BadQuery(f"Prometheus refuses it: {one_line(str(said), MAX_SAID)}")
