"""The APM Server behind: what it says of an agent's settings, and what it said last."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, hdrs
from multidict import CIMultiDict
from yarl import URL

from .polls import Poll

#: Elastic's agents wait 5 s and longer.
ANSWER_S = 3.0
MAX_ANSWER = 1024 * 1024  # bytes
MAX_KEPT = 10_000  # answers

NO_ANSWER = "the APM Server behind does not answer"
#: Of one hop, not for the next (RFC 9110), or ours to set.
_HOP = (
    *("Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization"),
    *("TE", "Trailer", "Upgrade", "Transfer-Encoding", "Expect", "Host"),
)


@dataclass(frozen=True, slots=True)
class Theirs:
    """The user's settings of an agent, and their ETag."""

    settings: Mapping[str, Any]
    etag: str


@dataclass(frozen=True, slots=True)
class Other:
    """Any other answer, which goes to the agent as it is."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


class Behind:
    """Of one event loop. session: that unpacks nothing."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session, self.url = session, url
        self._kept: OrderedDict[tuple[str, str, str, bytes], Theirs] = OrderedDict()
        self.failures = 0

    def at(self, path: str) -> URL:
        """path: with its query, as it was asked: nothing of it is written in another way."""
        return URL(self.url + path, encoded=True)

    async def settings(
        self,
        poll: Poll | None,
        method: str,
        path: str,
        headers: CIMultiDict[str],
        body: bytes,
        etag: str,
    ) -> Theirs | Other:
        """poll: None for a request that names no service, whose answer is nobody's settings.
        etag: that the agent's settings had, in the server's own words."""
        credentials = hashlib.sha256(headers.get(hdrs.AUTHORIZATION, "").encode()).digest()
        key = ("", "", "", b"")
        if poll is not None:
            key = (poll.service, poll.environment, poll.agent, credentials)
        kept = self._kept.get(key)
        asked = headers.copy()
        asked.popall(hdrs.IF_NONE_MATCH, None)
        asked[hdrs.ACCEPT_ENCODING] = "identity"
        if kept is not None and etag and kept.etag == etag:
            asked[hdrs.IF_NONE_MATCH] = etag
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._ask(method, path, asked, body)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            answer = _away(f"{NO_ANSWER}: {type(error).__name__}")
        if answer.status == 304 and kept is not None:
            self._kept.move_to_end(key)
            return kept
        if answer.status >= 500:
            self.failures += 1
            return answer if kept is None else kept
        settings = None if poll is None else _settings(answer)
        if settings is None:
            self._kept.pop(key, None)
            return answer
        found = self._kept[key] = Theirs(settings, answer.headers.get(hdrs.ETAG, ""))
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return found

    async def _ask(self, method: str, path: str, headers: CIMultiDict[str], body: bytes) -> Other:
        request = self._session.request(
            method, self.at(path), headers=headers, data=body or None, allow_redirects=False
        )
        async with request as response:
            content = await response.content.read(MAX_ANSWER + 1)
            while chunk := await response.content.read(MAX_ANSWER + 1):
                content += chunk
                if len(content) > MAX_ANSWER:
                    raise ValueError("more than 1 MiB of settings")
            return Other(response.status, response.headers.copy(), content)


def onwards(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """What of a message's headers the next one is told, all of a name that comes several times."""
    named = [it.strip() for it in headers.get(hdrs.CONNECTION, "").split(",")]
    found = CIMultiDict(headers)
    for name in (*_HOP, *named):
        found.popall(name, None)
    return found


def _settings(answer: Other) -> dict[str, Any] | None:
    if answer.status != 200:
        return None
    try:
        found = json.loads(answer.body or b"{}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _away(why: str) -> Other:
    body = json.dumps({"error": why}).encode()
    return Other(503, CIMultiDict({hdrs.CONTENT_TYPE: "application/json"}), body)
