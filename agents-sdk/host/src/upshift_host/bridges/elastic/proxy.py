"""The proxy before APM Server: settings are merged, all else passes through as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
    web,
)
from multidict import CIMultiDict

from upshift_agent import Decision

from ..agents import Agents
from ..reading import Settings, trusting
from ..settings import ElasticEntry
from .behind import NO_ANSWER, Behind, Other, onwards
from .driver import PolledDriver
from .merging import etag, merge, theirs_of
from .polls import MAX_BODY, Key, Poll, read

CONFIG = "/config/v1/agents"
CONNECT_S = 5.0
SWEEP_S = 5.0
_AUTOMATIC = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)
#: How long the first answer to an agent waits for its plans.
PLANS_S = 1.0


@dataclass(slots=True, eq=False)
class Served:
    driver: PolledDriver
    began: float


class ElasticBridge:
    """Of one event loop."""

    def __init__(self, settings: Settings, entry: ElasticEntry) -> None:
        self._entry, self._settings = entry, settings
        self._tls = trusting(settings.folder, entry.server.ca_file)
        self._poll_s = entry.poll / 1000
        self._come_back = f"must-revalidate, max-age={round(self._poll_s)}"
        self.agents = Agents(settings)
        self._served: dict[Key, Served] = {}
        self._closed = False
        self._counts = dict.fromkeys(("polls", "merged", "passed", "failures"), 0)

    def add_to(self, app: web.Application) -> None:
        app.cleanup_ctx.append(self._running)
        app.router.add_route("*", "/{path:.*}", self._answer)

    def counts(self) -> Mapping[str, int]:
        return {**self._counts, "failures": self._counts["failures"] + self._behind.failures}

    async def close(self, timeout_s: float) -> None:
        self._closed = True
        for served in self._served.values():
            served.driver.leave()
        await asyncio.to_thread(self.agents.close, timeout_s)

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(ssl=self._tls, limit=0)
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_S)
        async with ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),  # one agent's are not another's
        ) as session:
            self._session = session
            self._behind = Behind(session, self._entry.server.url)
            sweeper = asyncio.create_task(self._sweep())
            yield
            sweeper.cancel()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = onwards(request.headers)
        if request.remote:
            before = headers.get("X-Forwarded-For")
            headers["X-Forwarded-For"] = f"{before}, {request.remote}" if before else request.remote
        if request.path == CONFIG and request.method in ("GET", "POST"):
            return await self._config(request, headers)
        return await self._pass(request, headers)

    async def _pass(self, request: web.Request, headers: CIMultiDict[str]) -> web.StreamResponse:
        """Both ways as it comes: nothing is unpacked, nothing held back."""
        self._counts["passed"] += 1
        body = request.content.iter_any() if request.body_exists else None
        response: web.StreamResponse | None = None
        try:
            async with self._session.request(
                request.method,
                self._behind.at(request.rel_url.raw_path_qs),
                headers=headers,
                data=body,
                allow_redirects=False,
                skip_auto_headers=_AUTOMATIC,
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                response.headers.extend(onwards(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (ClientError, OSError, TimeoutError) as error:
            self._counts["failures"] += 1
            if response is None:
                return web.json_response(
                    {"error": f"{NO_ANSWER}: {type(error).__name__}"}, status=503
                )
            if request.transport is not None:
                request.transport.abort()  # so that nobody takes it for whole
            return response

    async def _config(self, request: web.Request, headers: CIMultiDict[str]) -> web.StreamResponse:
        self._counts["polls"] += 1
        body = b""
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > MAX_BODY:
                raise web.HTTPRequestEntityTooLarge(MAX_BODY, len(body))
        headers.popall(hdrs.CONTENT_LENGTH, None)
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "").lower()
        poll = read(request.query, body, encoding, request.headers.get(hdrs.USER_AGENT, ""))
        given = request.headers.get(hdrs.IF_NONE_MATCH, "")
        theirs = await self._behind.settings(
            poll,
            request.method,
            request.rel_url.raw_path_qs,
            headers,
            body,
            theirs_of(given),
        )
        if isinstance(theirs, Other) or poll is None:
            assert isinstance(theirs, Other)  # noqa: S101  # without a service there is no other
            if poll is not None and (served := self._served.get(poll.key)) is not None:
                served.driver.refused(f"the APM Server behind answers {theirs.status} for it")
            response = _as_it_is(theirs)
            if theirs.status >= 500:  # without a word agents would stay away for 5 minutes
                response.headers[hdrs.CACHE_CONTROL] = self._come_back
            return response
        served = await self._serve(poll)
        decision = None if served is None else served.driver.decision()
        merged = merge(
            theirs.settings,
            decision or Decision(hz=self._settings.document.baseline),
            "" if decision is None else poll.agent,
            self._settings.document.max_frequency,
            self._entry.transaction_sample_rate,
        )
        tag = etag(theirs.etag, merged.settings)
        if served is not None and decision is not None:
            self._counts["merged"] += 1
            peer = request.remote or ""
            served.driver.answered(peer, decision.hz, merged.hz, has_it=given == tag)
        answer = {hdrs.ETAG: tag, hdrs.CACHE_CONTROL: self._come_back}
        if given == tag:
            return web.Response(status=304, headers=answer)
        return web.json_response(merged.settings, headers=answer)

    async def _serve(self, poll: Poll) -> Served | None:
        """The agent of whoever asks. A new one first reads its plans, for a moment."""
        served = self._served.get(poll.key)
        if served is None:
            if len(self._served) >= self._entry.most:
                self.agents.tell(
                    f"more than {self._entry.most} agents: elastic.most leaves some out"
                )
                return None
            if self._closed:
                return None
            driver = PolledDriver(poll.agent, self._poll_s)
            driver.agent = self.agents.start(poll.key, driver, poll.attributes)
            if driver.agent is None:
                return None
            served = self._served[poll.key] = Served(driver, time.monotonic())
            driver.agent.start()
        agent = served.driver.agent
        while agent is not None and not agent.connected:
            if time.monotonic() >= served.began + PLANS_S:
                break
            await asyncio.sleep(0.02)
        return served

    async def _sweep(self) -> None:
        """Agents that have not come back are gone."""
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        for key, served in list(self._served.items()):
            if now - max(served.began, served.driver.seen) > served.driver.gone_after_s:
                del self._served[key]
                served.driver.leave()
                self.agents.stop(key)


def _as_it_is(answer: Other) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    headers = onwards(answer.headers)
    headers.popall(hdrs.CONTENT_LENGTH, None)
    response.headers.pop(hdrs.CONTENT_TYPE, None)
    response.headers.extend(headers)
    return response
