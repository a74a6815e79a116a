"""Limits through faults: what was reserved and not granted is given back."""

from __future__ import annotations

from typing import Any

import pytest

from controller.conftest import Start, outcomes
from controller.limiting import about, budget, limited, override, report
from upshift_agent.contract import Keys
from upshift_controller.errors import Unavailable
from upshift_controller.leasing.ports import Snapshot

KEYS = Keys()


async def test_a_commit_that_failed_after_its_reservation_is_not_counted_twice(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(limited(max_boosted_agents=1, max_boosts_per_hour=1)) as running:
        store = running.controller.store

        async def away(*_: object) -> Snapshot:
            raise Unavailable("Redis went away just now")

        with monkeypatch.context() as patch:
            patch.setattr(store, "commit", away)
            assert (await running.notify(about("a"))).status == 503
            assert len(budget(running)) == 1
        assert outcomes(await running.notify(about("a"))) == ["granted"]
        (lease,) = await running.leases("service/a")
        assert list(budget(running)) == [lease["id"]]


@pytest.mark.parametrize("what", ["webhook", "override"])
async def test_a_reservation_whose_commit_was_lost_is_given_back(
    start: Start, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    limits = limited(max_boosted_agents=1, max_boosts_per_hour=1)
    async with start(limits) as running, start(limits) as other:
        store = running.controller.store
        commit, lost = store.commit, []

        async def overtaken(*writes: Any) -> Snapshot:
            if not lost:
                lost.append(list(budget(running)))
                assert (await override(other, kind="cap")).status == 201
            return await commit(*writes)

        monkeypatch.setattr(store, "commit", overtaken)
        if what == "webhook":
            assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        else:
            assert (await override(running)).status == 201
        (held,) = [it for it in await running.leases() if it["kind"] == "boost"]
        assert len(lost[0]) == 1
        assert list(budget(running)) == [held["id"]]


async def test_a_budget_that_somebody_else_wrote_is_replaced(start: Start) -> None:
    async with start(limited(max_boosted_agents=1)) as running:
        for nonsense in ("?", "[]", "[" * 100_000, '{"a": 1}', '{"a": [1, 2, 3, 4, 5, "6"]}'):
            running.redis.set(KEYS.budget, nonsense)
            assert (await override(running)).status == 201
            assert len(budget(running)) == 1
            await running.ask("DELETE", "/api/v1/targets/service/checkout/leases")


async def test_the_reach_of_10_000_agents_is_counted_within_the_webhooks_patience(
    start: Start,
) -> None:
    async with start(limited(max_boosted_agents=20_000)) as running:
        report(running, "checkout", 10_000)
        assert outcomes(await running.notify(about("checkout"))) == ["granted"]
        (row,) = budget(running).values()
        assert row[2] == 10_000
