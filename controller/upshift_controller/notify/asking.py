"""One request to a destination, bounded in time and size, and what its answer means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

#: For all of one request: name, connection, answer.
PATIENCE_S = 5.0
#: Bytes of an answer that are read.
_MOST = 256 * 1024
_AGAIN = frozenset({408, 425, 429})
#: Longer than this nobody is waited for, whatever they ask.
MAX_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a notice. again: it may be tried again, in `wait_s` at the earliest.

    why: for people, without anything that the destination said.
    """

    result: Literal["sent", "again", "refused"]
    why: str = ""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    answer: Answer
    document: Any = None


def session() -> aiohttp.ClientSession:
    """A session that keeps nothing of one answer for the next request."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "upshift"},
    )


async def ask(
    client: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    token: str | None,
    body: dict[str, Any] | None = None,
    query: list[tuple[str, str]] | None = None,
) -> Reply:
    """Send one request. It follows no redirection: what is sent is for nobody else.

    document: the answer's JSON, where it is some.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with client.request(
            method, url, json=body, params=query, headers=headers, allow_redirects=False
        ) as response:
            said = await _read(response.content)
            return Reply(judged(response.status, response.headers.get("Retry-After")), _json(said))
    except TimeoutError:
        return Reply(Answer("again", f"no answer within {PATIENCE_S:g} s"))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Its text may name the address, which may be a secret.
        return Reply(Answer("again", type(error).__name__))


def judged(status: int, retry_after: str | None = None) -> Answer:
    """What an HTTP status means for a notice."""
    if 200 <= status < 300:
        return Answer("sent")
    if status >= 500 or status in _AGAIN:
        asked = (retry_after or "").strip()
        wait_s = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 0
        return Answer("again", f"HTTP status {status}", min(wait_s, MAX_WAIT_S))
    return Answer("refused", f"HTTP status {status}")


async def _read(content: aiohttp.StreamReader) -> bytes:
    said = b""
    while len(said) < _MOST and (more := await content.read(_MOST - len(said))):
        said += more
    return said


def _json(said: bytes) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None
