"""Annotations, by a server that does what Grafana's documentation says of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.notify.receiver import LEASE, NOW_MS, destination, its_end, notice
from upshift_controller.notify.asking import Answer, session
from upshift_controller.notify.grafana import Grafana
from upshift_controller.notify.notices import Notice


@dataclass
class Annotations:
    """Where they are kept. lose: the next answers are lost after the work was done."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    lose: int = 0
    url: str = ""

    def _lost(self, request: web.Request) -> None:
        if self.lose:
            self.lose -= 1
            assert request.transport
            request.transport.abort()

    def _begin(self, request: web.Request) -> None:
        assert request.headers["Authorization"] == "Bearer glsa"
        self.asked.append(request.method)

    async def post(self, request: web.Request) -> web.Response:
        self._begin(request)
        row = await request.json()
        number = len(self.rows) + 1
        self.rows[number] = {"id": number} | row
        self._lost(request)
        return web.json_response({"message": "Annotation added", "id": number})

    async def patch(self, request: web.Request) -> web.Response:
        self._begin(request)
        number = int(request.match_info["id"])
        if number not in self.rows:
            return web.json_response({"message": "Could not find annotation"}, status=404)
        self.rows[number] |= await request.json()
        self._lost(request)
        return web.json_response({"message": "Annotation patched"})

    async def get(self, request: web.Request) -> web.Response:
        self._begin(request)
        begin, end = int(request.query["from"]), int(request.query["to"])
        tags = set(request.query.getall("tags"))
        found = [
            row
            for row in self.rows.values()
            if row["time"] <= end and row["timeEnd"] >= begin and tags <= set(row["tags"])
        ]
        return web.json_response(found[: int(request.query["limit"])])


@asynccontextmanager
async def a_grafana() -> AsyncIterator[tuple[Annotations, aiohttp.ClientSession]]:
    kept, app = Annotations(), web.Application()
    app.router.add_post("/grafana/api/annotations", kept.post)
    app.router.add_get("/grafana/api/annotations", kept.get)
    app.router.add_patch("/grafana/api/annotations/{id}", kept.patch)
    async with TestServer(app) as server, session() as client:
        kept.url = str(server.make_url("/grafana/"))
        yield kept, client


def a_sender(kept: Annotations) -> Grafana:
    return Grafana(destination(kept.url, shape="grafana", token="glsa"))


async def test_a_boost_is_one_annotation_whose_end_is_set_when_it_ends() -> None:
    async with a_grafana() as (kept, client):
        sender = a_sender(kept)
        assert await sender.send(client, notice(), again=False) == Answer("sent")
        assert kept.rows[1]["timeEnd"] == NOW_MS + 600_000
        early = its_end(event="released", at_ms=NOW_MS + 60_000)
        assert await sender.send(client, early, again=False) == Answer("sent")
    assert (kept.rows[1]["time"], kept.rows[1]["timeEnd"]) == (NOW_MS, NOW_MS + 60_000)
    assert kept.asked == ["POST", "PATCH"]


async def test_another_controller_finds_the_annotation_that_one_has_made() -> None:
    async with a_grafana() as (kept, client):
        await a_sender(kept).send(client, notice(), again=False)
        await a_sender(kept).send(client, its_end(at_ms=NOW_MS + 1), again=False)
    assert kept.asked == ["POST", "GET", "PATCH"]
    assert [it["timeEnd"] for it in kept.rows.values()] == [NOW_MS + 1]


async def test_of_several_boosts_at_one_moment_each_has_its_own() -> None:
    async with a_grafana() as (kept, client):
        other = replace(LEASE, id="high_cpu/other")
        for lease in (LEASE, other):
            begun = notice(lease=lease, reason=lease.reason)
            await a_sender(kept).send(client, begun, again=False)
        ended = its_end(lease=other, at_ms=NOW_MS + 5)
        await a_sender(kept).send(client, ended, again=False)
    assert [it["timeEnd"] for it in kept.rows.values()] == [NOW_MS + 600_000, NOW_MS + 5]


async def test_one_whose_answer_was_lost_is_not_made_twice() -> None:
    async with a_grafana() as (kept, client):
        sender = a_sender(kept)
        kept.lose = 1
        assert (await sender.send(client, notice(), again=False)).result == "again"
        assert (await sender.send(client, notice(), again=True)).result == "sent"
        await sender.send(client, its_end(at_ms=NOW_MS + 7), again=False)
    assert [it["timeEnd"] for it in kept.rows.values()] == [NOW_MS + 7]


async def test_where_the_beginning_was_lost_the_end_makes_it_whole() -> None:
    async with a_grafana() as (kept, client):
        await a_sender(kept).send(client, its_end(), again=False)
    (row,) = kept.rows.values()
    assert (row["time"], row["timeEnd"]) == (NOW_MS, NOW_MS + 600_000)


async def test_one_that_somebody_deleted_stays_deleted() -> None:
    async with a_grafana() as (kept, client):
        sender = a_sender(kept)
        await sender.send(client, notice(), again=False)
        kept.rows.clear()
        assert (await sender.send(client, its_end(), again=False)).result == "refused"
    assert kept.rows == {}


async def test_an_end_whose_answer_was_lost_is_set_again() -> None:
    async with a_grafana() as (kept, client):
        sender = a_sender(kept)
        await sender.send(client, notice(), again=False)
        kept.lose = 1
        assert (await sender.send(client, its_end(), again=False)).result == "again"
        assert (await sender.send(client, its_end(), again=True)).result == "sent"
    assert len(kept.rows) == 1
    assert "GET" not in kept.asked


async def test_a_refusal_is_an_annotation_of_its_own() -> None:
    refused = notice(topic="refused", event="refused", reason="no room", at_ms=NOW_MS + 9)
    async with a_grafana() as (kept, client):
        await a_sender(kept).send(client, refused, again=False)
    (row,) = kept.rows.values()
    assert (row["time"], row["timeEnd"]) == (NOW_MS + 9, NOW_MS + 9)
    assert "refused" in row["tags"]


def nonsense() -> list[Any]:
    return [None, 7, "x", [], [7, None, {}], {"id": "x"}, [{"id": "1", "text": 7}], {"id": None}]


async def test_whatever_it_answers_is_survived() -> None:
    said = [*nonsense(), *nonsense()]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(said.pop())

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, session() as client:
        sender = Grafana(destination(str(server.make_url("/")), shape="grafana", token="glsa"))
        while len(said) > 2:
            told: Notice = its_end() if len(said) % 2 else notice()
            assert (await sender.send(client, told, again=True)).result == "sent"
