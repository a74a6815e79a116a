"""Reading Alertmanagers' lists: with which patience, and whatever they answer."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from controller.sources.listing import RULES, Reader, Stub, of, row, serving
from upshift_controller.sources.alertmanager import lists
from upshift_controller.sources.alertmanager.payload import Notification
from upshift_rules.model import Trigger

#: What comes in place of a good answer, under `/api/v2/alerts`, and what is said of it.
BAD = {
    "not json": ("<html>", "unexpected character"),
    "no list": ("{}", "not a list of alerts"),
    "no alerts": ("[1]", "not a list of alerts"),
    "null": ("null", "not a list of alerts"),
    "deep": ("[" * 100_000, "depth limit"),
    "cut short": ('[{"labels": {', "unexpected end"),
}


async def test_what_is_listed_is_handed_on_once() -> None:
    async with serving(Stub([row(1), row(2, "suppressed")])) as stub:
        reader = of(stub)
        assert await reader.look() == [("1", "firing"), ("2", "firing")]
        assert await reader.look() == []
        assert reader.lists.problems() == []
        assert reader.read == [True, True]


async def test_a_receiver_is_named_whole_whatever_it_is_called() -> None:
    async with serving(Stub([row()])) as stub:
        await of(stub, receiver="up|.*(shift").look()
        assert stub.sent[0].query["receiver"] == r"^up\|\.\*\(shift$"


async def test_a_receiver_that_is_not_there_is_no_empty_list() -> None:
    async with serving(Stub(receivers=[{"name": "pager"}])) as stub:
        reader = of(stub)
        await reader.look()
        assert "it has no receiver upshift" in reader.lists.problems()[0]


async def test_an_address_may_have_a_path() -> None:
    async with serving(Stub([row()])) as stub:
        await Reader({"urls": [f"{stub.url}/am/"]}).look()
        assert [it.path for it in stub.sent] == ["/am/api/v2/alerts", "/am/api/v2/status"]


async def test_what_redis_did_not_take_comes_again() -> None:
    async with serving(Stub([row()])) as stub:
        reader = of(stub)
        reader.away = True
        assert await reader.look() == []
        reader.away = False
        assert await reader.look() == [("0", "firing")]


@pytest.mark.parametrize("name", BAD)
async def test_an_answer_that_is_no_list_is_told_of_and_proves_nothing(name: str) -> None:
    text, why = BAD[name]
    async with serving(Stub([row()])) as stub:
        reader = of(stub)
        await reader.look()
        stub.rows = []
        await reader.look()
        stub.text = text
        assert await reader.look() == []
        (problem,) = reader.lists.problems()
        assert why in problem
        assert stub.url in problem
        stub.text = None
        assert await reader.look() == [], "the wait starts anew"
        assert reader.lists.problems() == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"code": 503}, "HTTP 503"),
        ({"code": 401}, "HTTP 401"),
        ({"code": 302}, "HTTP 302"),
        ({"uptime": None}, "since when it is up"),
        ({"uptime": "yesterday"}, "since when it is up"),
        ({"uptime": {}}, "since when it is up"),
        ({"date": "never"}, "date"),
        ({"rows": [], "receivers": None}, "no receiver"),
        ({"rows": [], "receivers": 5}, "no receiver"),
        ({"rows": [], "receivers": [[]]}, "no receiver"),
    ],
)
async def test_whatever_it_answers_is_told_in_words(fields: dict[str, Any], why: str) -> None:
    async with serving(Stub(**{"rows": [row()]} | fields)) as stub:
        reader = of(stub)
        assert await reader.look() == []
        assert why in reader.lists.problems()[0]
        assert reader.read == [False]


async def test_a_bad_alert_in_a_list_takes_no_other_with_it() -> None:
    bad = [{}, row(1, startsAt="then"), row(2, labels=[]), row(3, status=7), row(4, status=None)]
    async with serving(Stub([*bad, row(9)])) as stub:
        assert ("9", "firing") in await of(stub).look()


async def test_an_answer_without_end_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "MAX_BYTES", 1024 * 1024)
    async with serving(Stub(text="[" + " " * 5 * 1024 * 1024 + "]")) as stub:
        reader = of(stub)
        await reader.look()
        assert "more than 1 MiB" in reader.lists.problems()[0]


async def test_of_more_alerts_than_are_taken_the_first_are_and_none_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "MAX_ALERTS", 2)
    async with serving(Stub([row(1), row(2)])) as stub:
        reader = of(stub)
        assert len(await reader.look()) == 2
        stub.rows = [row(3), row(4), row(5)]
        for _ in range(2):
            assert ("1", "resolved") not in await reader.look()


async def test_one_that_does_not_answer_is_waited_for_once_and_the_other_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    async with serving(Stub([row()])) as stub:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            reader = Reader({"urls": [f"http://127.0.0.1:{port}", stub.url]})
            assert await reader.look() == [("0", "firing")]
        assert "no answer within 0.5 s" in reader.lists.problems()[0]


async def test_one_that_is_not_there_is_told_of() -> None:
    reader = Reader({"urls": [f"http://127.0.0.1:{unused_port()}"]})
    await reader.look()
    assert "Cannot connect" in reader.lists.problems()[0]


async def test_what_is_missing_is_gone_and_what_one_of_a_pair_hides_is_not() -> None:
    async with serving(Stub([row()])) as one, serving(Stub()) as other:
        reader = of(one, other)
        await reader.look()
        one.rows, one.code = [], 503
        for _ in range(2):
            assert await reader.look() == []
        one.code = 200
        await reader.look()
        await asyncio.sleep(0.01)
        assert await reader.look() == [("0", "resolved")]


async def test_another_list_is_read_after_a_reload_and_proves_nothing_of_the_former() -> None:
    async with serving(Stub([row()])) as one, serving(Stub()) as other:
        reader = of(one)
        await reader.look()
        reader.access = of(other).access
        for _ in range(3):
            assert await reader.look() == []
        reader.access = None
        assert await reader.look() == []
        assert reader.lists.problems() == []


async def test_only_notifications_of_our_receiver_tell_of_its_alerts() -> None:
    fired = Trigger("firing", {}, f"{0:016x}", 1769860800123)
    async with serving(Stub([row()])) as stub:
        for receiver, news in (("upshift", []), ("other", [("0", "firing")])):
            reader = of(stub)
            await reader.look()
            stub.rows = [row()]
            reader = of(stub)
            reader.lists._told_by = RULES
            await reader.lists.told(Notification(alerts=(fired,), receiver=receiver))
            assert await reader.look() == news


async def test_lists_are_read_at_the_start_and_when_asked_for_and_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "LEAST_S", 0.2)
    async with serving(Stub()) as stub:
        reader = of(stub)
        task = asyncio.create_task(reader.lists.watch(reader.receive))
        seen = 0
        for looks in (1, 2):
            while len(reader.read) < looks:
                await asyncio.sleep(0.01)
                reader.lists.wake()
                seen += 1
        assert seen > 2
        task.cancel()
