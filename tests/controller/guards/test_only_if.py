"""`only_if`, from the webhook to its answer: asked where a boost would be granted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.conftest import PRODUCTION, Running, Start, alert, outcomes
from controller.guards.pretending import Pretending, happens, number
from servers import free_port, prometheus
from upshift_controller.leasing.guarding import only_if

CONFIG = """
prometheus: {{url: "{url}"}}
limits: {{max_boosted_agents: unlimited}}
sampling:
  on_alert:
    - trigger: high_cpu
      frequency: 99
      duration: 10m
      only_if: {query}
      if_unknown: {if_unknown}
    - {{trigger: free, frequency: 49, duration: 5m}}
"""
QUERY = """'requests{service="{{ service }}"} > 1'"""


def config(url: str, query: str = QUERY, if_unknown: str = "grant") -> str:
    return CONFIG.format(url=url, query=query, if_unknown=if_unknown)


@asynccontextmanager
async def over(start: Start, server: Pretending, **more: str) -> AsyncIterator[Running]:
    async with start(config(server.url, **more)) as running:
        yield running


def reasons(answer: Any) -> list[str]:
    return [it["reason"] for account in answer.body["alerts"] for it in account["outcomes"]]


async def test_true_grants_with_the_value_and_a_repeat_asks_nobody(
    start: Start, server: Pretending
) -> None:
    server.says = lambda _: number(12.5)
    async with over(start, server) as upshift:
        granted = await upshift.notify()
        assert (outcomes(granted), reasons(granted)) == (
            ["granted"], ["99 Hz for 10m; only_if is true: 12.5"],
        )  # fmt: skip
        assert outcomes(await upshift.notify()) == ["repeat"]
        assert server.queries == ['requests{service="checkout"} > 1']
        metrics = (await upshift.ask("GET", "/metrics")).body
        assert 'upshift_guard_answers_total{answer="true"} 1.0' in metrics


async def test_false_refuses_until_a_repeat_finds_it_true(start: Start, server: Pretending) -> None:
    async with over(start, server) as upshift:
        for _ in range(2):
            answer = await upshift.notify()
            assert (outcomes(answer), reasons(answer)) == (
                ["refused"], ["only_if is false: it returns nothing"],
            )  # fmt: skip
        assert await upshift.history() == ["refused"]
        assert (
            'upshift_refused_total{limit="only_if"} 1.0'
            in (await upshift.ask("GET", "/metrics")).body
        )
        server.says = lambda _: number(1)
        assert outcomes(await upshift.notify()) == ["granted"]


async def test_what_an_alert_says_is_a_value_and_no_query(start: Start, server: Pretending) -> None:
    async with over(start, server) as upshift:
        await upshift.notify(alert(PRODUCTION | {"service_name": 'x"} or vector(1) #'}))
    assert server.queries == ['requests{service="x\\"} or vector(1) #"} > 1']


@pytest.mark.parametrize(("if_unknown", "outcome"), [("grant", "granted"), ("refuse", "refused")])
async def test_with_prometheus_away_if_unknown_decides(
    start: Start, if_unknown: str, outcome: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with start(config(url, if_unknown=if_unknown)) as upshift:
        answer = await upshift.notify()
        assert outcomes(answer) == [outcome]
        assert "only_if is unknown: Prometheus cannot be reached" in reasons(answer)[0]


async def test_what_has_no_guard_is_committed_before_anybody_is_asked(
    start: Start, server: Pretending
) -> None:
    server.opens.clear()
    free = alert(PRODUCTION | {"alertname": "Free"}, fingerprint="free")
    async with over(start, server) as upshift:
        waiting = asyncio.create_task(upshift.notify(alert(), free))
        await happens(lambda: server.asked)
        assert [it["hz"] for it in await upshift.leases()] == [49]
        server.opens.set()
        assert outcomes(await waiting) == ["refused", "granted"]


async def test_no_webhook_waits_longer_for_guards_than_it_may(
    start: Start, server: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(only_if, "PATIENCE_S", 0.1)
    server.opens.clear()
    # So many that they go in several parts, which share one patience.
    alerts = [
        alert(PRODUCTION | {"service_name": f"s{at}"}, fingerprint=f"{at}") for at in range(900)
    ]
    async with over(start, server) as upshift:
        answer = await upshift.notify(*alerts)
        assert answer.body["counts"] == {"granted": 900}
        assert all("only_if is unknown" in it for it in reasons(answer))
        assert server.most <= 20


async def test_the_loop_goes_on_while_prometheus_is_waited_for(
    start: Start, server: Pretending
) -> None:
    server.opens.clear()
    free = alert(PRODUCTION | {"alertname": "Free"}, fingerprint="free")
    async with over(start, server) as upshift:
        waiting = asyncio.create_task(upshift.notify())
        await happens(lambda: server.asked)
        assert outcomes(await upshift.notify(free)) == ["granted"]
        assert not waiting.done()
        server.opens.set()
        await waiting


async def test_explain_asks_and_changes_nothing(start: Start, server: Pretending) -> None:
    server.says = lambda _: number(3)
    async with over(start, server) as upshift:
        answer = await upshift.ask("POST", "/api/v1/explain", json=alert())
        assert reasons(answer) == ["99 Hz for 10m; only_if is true: 3"]
        assert await upshift.leases() == []
        server.says = lambda _: number(0)
        answer = await upshift.ask("POST", "/api/v1/explain", json=alert())
        assert (outcomes(answer), reasons(answer)) == (["refused"], ["only_if is false: 0"])


async def test_the_same_alert_of_two_alertmanagers_gets_one_boost_and_is_asked_about_once(
    start: Start, server: Pretending
) -> None:
    server.says = lambda _: number(1)
    server.opens.clear()
    async with over(start, server) as upshift:
        both = [asyncio.create_task(upshift.notify()) for _ in range(2)]
        await happens(lambda: server.asked)
        server.opens.set()
        found = [outcomes(it)[0] for it in await asyncio.gather(*both)]
        assert sorted(found) == ["granted", "repeat"]
        assert await upshift.history() == ["granted"]


async def test_a_reload_has_another_prometheus_asked(
    start: Start, server: Pretending, tmp_path: Path
) -> None:
    server.says = lambda _: number(1)
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with start(config(nowhere, if_unknown="refuse")) as upshift:
        assert outcomes(await upshift.notify()) == ["refused"]
        (tmp_path / "upshift.yaml").write_text(config(server.url, if_unknown="refuse"))
        assert (await upshift.ask("POST", "/-/reload")).status == 200
        assert outcomes(await upshift.notify()) == ["granted"]


async def test_a_bad_query_is_unknown_and_says_what_prometheus_says(
    start: Start, server: Pretending
) -> None:
    def says(_: str) -> Any:
        raise ValueError("1:5: parse error: unexpected end of input")

    server.says = says
    async with over(start, server) as upshift:
        (reason,) = reasons(await upshift.notify())
        assert "only_if is unknown: Prometheus refuses it: 1:5: parse error" in reason


async def test_a_controller_stops_though_prometheus_does_not_answer(
    start: Start, server: Pretending
) -> None:
    server.opens.clear()
    async with over(start, server) as upshift:
        waiting = asyncio.create_task(upshift.notify())
        await happens(lambda: server.asked)
        waiting.cancel()
    assert any(it.name == "upshift-work" for it in threading.enumerate())  # nobody waits for it


@pytest.mark.servers("prometheus")
async def test_a_real_prometheus_grants_and_refuses(start: Start, tmp_path: Path) -> None:
    rules = """
groups:
  - name: a
    rules:
      - {record: requests, expr: vector(7), labels: {service: checkout}}
      - {record: requests, expr: vector(0.5), labels: {service: cart}}
"""
    config_of = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    with prometheus(tmp_path / "prometheus", config_of, rules=rules) as real:
        async with start(config(real.url, if_unknown="refuse")) as upshift:
            checkout = alert()
            await seen(upshift, checkout, "99 Hz for 10m; only_if is true: 7")
            cart = alert(PRODUCTION | {"service_name": "cart"}, fingerprint="cart")
            hostile = alert(
                PRODUCTION | {"service_name": 'cart"} or vector(9) #'}, fingerprint="hostile"
            )
            answer = await upshift.notify(checkout, cart, hostile)
            assert outcomes(answer) == ["granted", "refused", "refused"]
            assert reasons(answer)[1:] == ["only_if is false: it returns nothing"] * 2
            search = alert(PRODUCTION | {"service_name": "search"}, fingerprint="search")
            real.freeze()
            try:
                (reason,) = reasons(await upshift.notify(search))
            finally:
                real.thaw()
            assert "Prometheus has not answered within 2 s, and if_unknown is refuse" in reason
            await seen(upshift, search, "only_if is false: it returns nothing")


async def seen(upshift: Running, one: Any, reason: str) -> None:
    """Wait until Prometheus has evaluated its rules."""
    async with asyncio.timeout(30):
        explain = ("POST", "/api/v1/explain")
        while reasons(await upshift.ask(*explain, json=one)) != [reason]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
