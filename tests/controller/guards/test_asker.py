"""Questions are few at a time, asked once, and waited for within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.guards.pretending import Pretending, happens, number
from servers import free_port
from upshift_controller.sections.prometheus import Prometheus
from upshift_controller.sources.prometheus import asker as asking
from upshift_controller.sources.prometheus.asker import MOST, MOST_TOGETHER, Asker

LONG_S = 30.0


@pytest.fixture
async def asker(server: Pretending) -> AsyncIterator[Asker]:
    where = Prometheus(server.url)
    made = Asker(lambda: where)
    yield made
    made.close()


async def test_a_query_alone_is_asked_as_it_is(asker: Asker, server: Pretending) -> None:
    server.says = lambda _: number(3)
    answers = await asker.ask(["up"], within_s=LONG_S)
    assert answers["up"][:2] == (True, "is true: 3")
    assert server.asked == [["up"]]
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_identical_queries_are_asked_once_whoever_asks(
    asker: Asker, server: Pretending
) -> None:
    server.opens.clear()
    several = [asyncio.create_task(asker.ask(["up", "up"], within_s=LONG_S)) for _ in range(9)]
    await happens(lambda: server.asked)
    server.opens.set()
    found = await asyncio.gather(*several)
    assert {it["up"].said for it in found} == {"is false: it returns nothing"}
    assert server.asked == [["up"]]


async def test_of_a_thousand_alerts_at_once_20_questions_are_under_way(
    asker: Asker, server: Pretending
) -> None:
    server.says = lambda query: number(query.rpartition(" ")[2])
    server.opens.clear()
    several = [
        asyncio.create_task(asker.ask([f"up + {at}"], within_s=LONG_S)) for at in range(1000)
    ]
    await happens(lambda: len(server.asked) == MOST)
    server.opens.set()
    found = await asyncio.gather(*several)
    assert [it[f"up + {at}"].true for at, it in enumerate(found)] == [False] + [True] * 999
    assert server.most == MOST
    assert len(server.queries) == 1000
    assert len(server.asked) < 100


async def test_few_questions_are_as_few_as_can_be(asker: Asker, server: Pretending) -> None:
    server.says = lambda query: number(query)
    answers = await asker.ask([str(at) for at in range(100)], within_s=LONG_S, few=True)
    assert [it.true for it in answers.values()] == [False] + [True] * 99
    assert len(server.asked) == 100 // MOST_TOGETHER


async def test_a_bad_query_costs_no_other_its_answer_and_goes_alone_from_then_on(
    asker: Asker, server: Pretending
) -> None:
    def says(query: str) -> Any:
        if query == "bad":
            raise ValueError("1:3: parse error")
        return [1.5, "7"] if query == "scalar" else number(query)

    server.says = says
    queries = [*map(str, range(1, 30)), "bad", "scalar", *map(str, range(30, 48))]
    for _ in range(2):
        server.asked.clear()
        answers = await asker.ask(queries, within_s=LONG_S, few=True)
        assert all(it.true for query, it in answers.items() if query != "bad")
        assert answers["scalar"].said == "is true: 7"
        assert answers["bad"] == (
            None, "is unknown: Prometheus refuses it: 1:3: parse error", True
        )  # fmt: skip
    assert ["bad"] in server.asked
    assert ["scalar"] in server.asked
    assert len(server.asked) <= 8  # and no looking for them by halves


async def test_nobody_waits_for_longer_than_they_said(asker: Asker, server: Pretending) -> None:
    server.opens.clear()
    answers = await asker.ask(["up"], within_s=0.05)
    assert answers["up"][:2] == (None, "is unknown: no answer has come within 0.05 s")


async def test_a_prometheus_that_does_not_answer_is_given_up_and_its_threads_stay_bounded(
    asker: Asker, server: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.05)
    others = set(threading.enumerate())
    server.opens.clear()
    answers = await asker.ask([f"{at}" for at in range(100)], within_s=LONG_S)
    assert all(it.true is None and "has not answered" in it.said for it in answers.values())
    more = await asker.ask([f"more {at}" for at in range(100)], within_s=0.2)
    assert all(it.true is None for it in more.values())
    assert server.most <= MOST
    mine = set(threading.enumerate()) - others
    assert sum(it.name == "upshift-work" for it in mine) <= MOST
    server.opens.set()
    await happens(lambda: not asker._under_way)
    monkeypatch.setattr(asking, "PATIENCE_S", LONG_S)
    server.says = lambda _: number(1)
    assert (await asker.ask(["up"], within_s=LONG_S))["up"].true


async def test_what_nobody_waits_for_any_more_is_not_asked(
    asker: Asker, server: Pretending
) -> None:
    server.opens.clear()
    blocked = asyncio.create_task(asker.ask([f"{at}" for at in range(MOST)], within_s=LONG_S))
    await happens(lambda: len(server.asked) == MOST)
    await asker.ask(["late"], within_s=0.01)
    server.opens.set()
    await blocked
    await asker.ask(["up"], within_s=LONG_S)
    assert "late" not in server.queries


async def test_without_a_prometheus_the_answer_is_unknown() -> None:
    answers = await Asker(lambda: None).ask(["up"], within_s=LONG_S)
    assert answers["up"].said == "is unknown: no `prometheus:` is set in upshift.yaml"


async def test_another_prometheus_is_asked_after_a_reload(server: Pretending) -> None:
    where = Prometheus(f"http://127.0.0.1:{free_port()}")
    made = Asker(lambda: where)
    found = await made.ask(["up"], within_s=LONG_S)
    assert found["up"].said == "is unknown: Prometheus cannot be reached"
    where = Prometheus(server.url, token="a secret of sixteen")
    assert (await made.ask(["up"], within_s=LONG_S))["up"].true is False
    assert server.headers[-1]["Authorization"] == "Bearer a secret of sixteen"
    made.close()


async def test_every_answer_is_counted(server: Pretending) -> None:
    heard: list[bool | None] = []
    where = Prometheus(server.url)
    made = Asker(lambda: where, heard.append)
    server.says = lambda query: number(query) if query != "bad" else 1 / 0
    await made.ask(["0", "1", "bad"], within_s=LONG_S)
    assert sorted(map(str, heard)) == ["False", "None", "True"]
    made.close()
