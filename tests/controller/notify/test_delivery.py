"""How one destination is told: on virtual time, by requests to a real server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.notify.receiver import CLOSE, HANG, Receiver, destination, notice, receiver
from upshift_controller.notify import asking
from upshift_controller.notify.asking import MAX_WAIT_S, Answer, judged
from upshift_controller.notify.delivery import (
    MAX_AGE_S,
    MAX_WAITING,
    MORE_FOR_KILL_SWITCHES,
    Delivery,
    Outcome,
    Sender,
)
from upshift_controller.notify.notices import Notice
from upshift_controller.notify.webhook import Webhook
from upshift_controller.sections.notify import Destination


class World:
    """A destination's delivery, on virtual time; requests take none."""

    def __init__(self, to: Destination, sender: Sender | None = None) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self.counts: Counter[Outcome] = Counter()
        self.delivery = Delivery(
            to, sender or Webhook(to), self.count, now=lambda: self.now, sleep=self.sleep
        )
        self._news = asyncio.Event()

    def count(self, outcome: Outcome) -> None:
        self.counts[outcome] += 1
        self._news.set()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.delivery.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def told(self, count: int) -> None:
        """Wait until so many are told or dropped."""
        while self.counts.total() - self.counts["retried"] < count:
            self._news.clear()
            await self._news.wait()

    async def counted(self, **counts: int) -> None:
        """Wait for these outcomes."""
        while any(self.counts[name] < count for name, count in counts.items()):  # type: ignore[index]
            self._news.clear()
            await self._news.wait()


async def tell(server: Receiver, *notices: Notice, **more: Any) -> World:
    """Tell until all is told or dropped."""
    world = World(destination(server.url, **more))
    async with world.running():
        for it in notices or (notice(),):
            world.delivery.put(it)
        await world.told(len(notices) or 1)
    return world


async def test_a_notice_is_one_request() -> None:
    async with receiver() as server:
        world = await tell(server, token="secret")
    (asked,) = server.asked
    assert (asked.method, asked.body["lease"]["hz"]) == ("POST", 97)
    assert asked.headers["Authorization"] == "Bearer secret"
    assert world.counts == {"sent": 1}


@pytest.mark.parametrize("trouble", [HANG, CLOSE, "500", "503", "429", "408"])
async def test_in_trouble_it_is_tried_again_until_it_is_through(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.1)
    say = web.Response(status=int(trouble)) if trouble.isdecimal() else trouble
    async with receiver(say, say if isinstance(say, str) else web.Response(status=500)) as server:
        world = await tell(server)
    assert world.counts == {"retried": 2, "sent": 1}
    assert {it.body["id"] for it in server.asked} == {"service/checkout/1/0"}


async def test_pauses_grow_and_retry_after_is_heeded_within_reason() -> None:
    slow = [web.Response(status=429, headers={"Retry-After": it}) for it in ("7", "99999", "x")]
    async with receiver(*slow, *(web.Response(status=500) for _ in range(4))) as server:
        world = await tell(server)
    assert world.slept[:2] == [7, MAX_WAIT_S]
    assert all(
        least <= it <= 2 * least for it, least in zip(world.slept[2:], (2, 4, 8), strict=False)
    )


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 410, 413])
async def test_what_is_refused_is_dropped_at_once(status: int) -> None:
    headers = {"Location": "/elsewhere"}
    async with receiver(web.Response(status=status, headers=headers)) as server:
        world = await tell(server, notice(), notice(id="2"))
    assert world.counts == {"dropped_refused": 1, "sent": 1}
    assert [it.path for it in server.asked] == ["/hook", "/hook"]  # no redirection is followed


async def test_notices_come_in_order_also_in_trouble() -> None:
    trouble = (web.Response(status=500), CLOSE)
    async with receiver(*trouble) as server:
        await tell(server, *(notice(id=str(number)) for number in range(5)))
    assert [it.body["id"] for it in server.asked] == ["0", "0", "0", "1", "2", "3", "4"]


async def test_who_never_answers_is_given_up_and_costs_later_ones_nothing() -> None:
    async with receiver(*(web.Response(status=500) for _ in range(100))) as server:
        world = World(destination(server.url))
        async with world.running():
            for number in range(3):
                world.delivery.put(notice(id=str(number)))
            await world.counted(dropped_late=3)
            assert world.now >= MAX_AGE_S
            server.script.clear()
            world.delivery.put(notice(id="new"))
            await world.counted(sent=1)
    assert {it.body["id"] for it in server.asked[:-1]} == {"0"}
    assert server.asked[-1].body["id"] == "new"


async def test_so_many_may_wait_and_kill_switches_have_room_of_their_own() -> None:
    world = World(destination(about=frozenset({"boost", "kill_switch"})))
    for _ in range(MAX_WAITING + 5):
        world.delivery.put(notice())
    assert world.counts == {"dropped_full": 5}
    for _ in range(MORE_FOR_KILL_SWITCHES + 1):
        world.delivery.put(notice(topic="kill_switch"))
    assert world.counts == {"dropped_full": 6}


async def test_nobody_is_told_of_what_they_have_not_asked_for() -> None:
    world = World(destination(about=frozenset({"refused"})))
    world.delivery.put(notice())
    assert not world.delivery.waiting


async def test_a_defect_in_making_one_does_not_stop_the_others() -> None:
    class Broken:
        tries = 0

        async def send(
            self, client: aiohttp.ClientSession, notice: Notice, *, again: bool
        ) -> Answer:
            self.tries += 1
            if self.tries == 1:
                raise RuntimeError("a defect")
            return Answer("sent")

    world = World(destination(), Broken())
    async with world.running():
        world.delivery.put(notice())
        world.delivery.put(notice())
        await world.counted(dropped_refused=1, sent=1)


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    app = web.Application()
    app.router.add_post("/hook", endless)
    async with TestServer(app) as server:
        world = World(destination(str(server.make_url("/hook"))))
        async with world.running():
            world.delivery.put(notice())
            await world.counted(sent=1)


async def test_where_nobody_listens_it_is_tried_again() -> None:
    world = World(destination("http://127.0.0.1:1/hook"))
    async with world.running():
        world.delivery.put(notice())
        await world.counted(dropped_late=1)
    assert world.counts["retried"] > 5


def test_what_a_failure_says_names_no_address() -> None:
    assert judged(404).why == "HTTP status 404"
