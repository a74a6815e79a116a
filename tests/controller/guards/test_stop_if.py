"""`stop_if` ends a boost early, once, whichever controller sees it first."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.conftest import PRODUCTION, Running, Start, alert, outcomes
from controller.guards.pretending import Pretending, number
from servers import RedisServer, prometheus
from upshift_controller.leasing.guarding import stop_if
from upshift_rules.guards.answer import counted

CONFIG = """
prometheus: {{url: "{url}", stop_if_every: 5m}}
limits: {{max_boosted_agents: unlimited}}
sampling:
  on_alert:
    - trigger: high_cpu
      frequency: 99
      duration: 10m
      while_firing: true
      stop_if: 'throttled{{service="{{{{ service }}}}"}} > 0.2'
"""
QUERY = 'throttled{service="checkout"} > 0.2'
BOOST: dict[str, Any] = {
    "target": "service/checkout", "kind": "boost", "hz": 97, "duration": "10m", "where": {},
}  # fmt: skip  # one a line would fill the screen


async def look(upshift: Running) -> None:
    """What happens every `stop_if_every`."""
    await upshift.controller.watches.stop_if.look()


async def test_true_twice_in_a_row_ends_a_boost(start: Start, server: Pretending) -> None:
    async with start(CONFIG.format(url=server.url)) as upshift:
        await upshift.notify()
        for true in (1, 0, 1):
            server.says = lambda _, true=true: number(true)
            await look(upshift)
            assert await upshift.leases()
        await look(upshift)
        assert await upshift.leases() == []
        assert await upshift.history() == ["granted", "reverted"]
        entries = (await upshift.ask("GET", "/api/v1/history")).body["entries"]
        reason = next(it["reason"] for it in entries if it["event"] == "reverted")
        assert reason.endswith("stop_if is true: 1, twice in a row")
        assert outcomes(await upshift.notify()) == ["repeat"]
        server.asked.clear()
        await look(upshift)
        assert server.asked == []  # of what has ended nobody is asked


async def test_true_twice_in_a_row_ends_a_boost_once_with_three_controllers(
    start: Start, server: Pretending
) -> None:
    server.says = lambda _: number(0.9)
    async with AsyncExitStack() as stack:
        several = [
            await stack.enter_async_context(start(CONFIG.format(url=server.url))) for _ in range(3)
        ]
        await several[0].notify()
        await several[1].ask("POST", "/api/v1/leases", json=BOOST | {"stop_if": QUERY})
        for _ in range(3):
            await asyncio.gather(*map(look, several))
        history = await several[0].history()
        assert sorted(history) == ["granted", "granted", "reverted", "reverted"]
        assert [it["kind"] for it in await several[0].leases()] == []


async def test_boosts_of_a_controller_that_died_are_asked_about_by_another(
    start: Start, server: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.says = lambda _: number(0.9)
    monkeypatch.setattr(stop_if, "SWEEP_S", 0.0)
    async with start(CONFIG.format(url=server.url)) as other:
        await look(other)
        async with start(CONFIG.format(url=server.url)) as dies:
            await dies.notify()
        for _ in range(2):
            await look(other)
        assert await other.history() == ["granted", "reverted"]


async def test_one_that_starts_anew_goes_on_asking(start: Start, server: Pretending) -> None:
    async with start(CONFIG.format(url=server.url)) as upshift:
        await upshift.notify()
        server.says = lambda _: number(0.9)
        await look(upshift)
    async with start(CONFIG.format(url=server.url)) as upshift:
        await look(upshift)  # the count begins anew
        assert await upshift.leases()
        await look(upshift)
        assert await upshift.leases() == []


async def test_all_boosts_are_asked_about_in_few_questions(
    start: Start, server: Pretending
) -> None:
    alerts = [
        alert(PRODUCTION | {"service_name": f"s{at}"}, fingerprint=f"{at}") for at in range(120)
    ]
    async with start(CONFIG.format(url=server.url)) as upshift:
        await upshift.notify(*alerts)
        server.says = lambda query: number(int('"s7"' in query))
        await look(upshift)
        assert len(server.queries) == 120
        assert len(server.asked) == 3
        await look(upshift)
        assert await upshift.leases("service/s7") == []
        assert await upshift.leases("service/s8")


async def test_the_same_query_of_several_boosts_is_asked_once(
    start: Start, server: Pretending
) -> None:
    async with start(CONFIG.format(url=server.url)) as upshift:
        for _ in range(3):
            await upshift.ask("POST", "/api/v1/leases", json=BOOST | {"stop_if": "up == 0"})
        server.asked.clear()
        await look(upshift)
        assert server.asked == [["up == 0"]]


async def test_redis_away_ends_nothing_and_the_next_look_makes_it_good(
    start: Start, server: Pretending, valkey: RedisServer
) -> None:
    server.says = lambda _: number(0.9)
    async with start(CONFIG.format(url=server.url)) as upshift:
        await upshift.notify()
        await look(upshift)
        valkey.freeze()
        try:
            with pytest.raises(stop_if.Unavailable):
                await look(upshift)
        finally:
            valkey.thaw()
        await look(upshift)
        assert await upshift.history() == ["granted", "reverted"]


@pytest.mark.servers("prometheus")
async def test_on_a_real_prometheus_a_boost_ends_by_itself(start: Start, tmp_path: Path) -> None:
    rule = "{record: throttled, expr: vector(0.5), labels: {service: checkout}}"
    rules = f"groups: [{{name: a, rules: [{rule}]}}]"
    config = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    with prometheus(tmp_path / "prometheus", config, rules=rules) as real:
        told = CONFIG.format(url=real.url).replace("stop_if_every: 5m", "stop_if_every: 1s")
        async with start(told) as upshift:
            cart = alert(PRODUCTION | {"service_name": "cart"}, fingerprint="cart")
            await upshift.notify(alert(), cart)
            async with asyncio.timeout(30):
                while await upshift.leases():  # noqa: ASYNC110  # Prometheus takes its time
                    await asyncio.sleep(0.1)
            assert await upshift.history() == ["granted", "reverted"]
            assert len(await upshift.leases("service/cart")) == 1


async def test_an_engineers_boost_ends_early_too(start: Start, server: Pretending) -> None:
    async with start(CONFIG.format(url=server.url)) as upshift:
        asked = BOOST | {
            "stop_if": 'slow{s="{{ service }}", e="{{ environment }}"}',
            "where": {"deployment.environment.name": ["staging"]},
        }
        answer = await upshift.ask("POST", "/api/v1/leases", json=asked)
        filled = 'slow{s="checkout", e="staging"}'
        assert answer.status == 201
        assert answer.body["outcome"]["reason"].endswith(f"until stop_if is true: {filled}")
        assert server.asked == [[filled]]  # whether it can be asked
        assert [it["stop_if"] for it in await upshift.leases()] == [filled]
        server.says = lambda _: number(1)
        for _ in range(2):
            await look(upshift)
        assert await upshift.history() == ["granted", "reverted"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stop_if": "up{"}, "stop_if has a { that is not closed, at character 3"),
        ({"stop_if": 'up{a="{{ labels.pod }}"}'}, "stop_if: there is no label pod"),
        ({"stop_if": 'up{a="{{ environment }}"}'}, "stop_if: no environment is named"),
        ({"stop_if": 'up{a="{{ service }}"}', "target": "fleet"}, "no service is named"),
        ({"stop_if": "up", "kind": "cap"}, "stop_if is for boosts, and this is a cap"),
        ({"stop_if": "u p"}, "stop_if is unknown: Prometheus refuses it: parse error"),
    ],
)
async def test_what_cannot_be_asked_is_refused_at_once(
    start: Start, server: Pretending, more: dict[str, str], why: str
) -> None:
    def says(_: str) -> Any:
        raise ValueError("parse error")

    server.says = says
    async with start(CONFIG.format(url=server.url)) as upshift:
        answer = await upshift.ask("POST", "/api/v1/leases", json=BOOST | more)
        assert answer.status == 422
        assert why in answer.body["detail"]
        assert await upshift.leases() == []


async def test_without_a_prometheus_a_stop_if_is_refused(upshift: Running) -> None:
    answer = await upshift.ask("POST", "/api/v1/leases", json=BOOST | {"stop_if": "up"})
    assert answer.status == 422
    assert "needs a controller whose upshift.yaml sets `prometheus:`" in answer.body["detail"]


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from([True, False, None])), max_size=12
    )
)
def test_a_lease_ends_exactly_where_its_last_two_answers_are_true(
    looks: list[dict[str, bool | None]],
) -> None:
    counts: dict[str, int] = {}
    before: dict[str, bool | None] = {}
    for answers in looks:
        counts, over = counted(counts, answers)
        assert set(over) == {it for it, true in answers.items() if true and before.get(it)}
        before = answers
