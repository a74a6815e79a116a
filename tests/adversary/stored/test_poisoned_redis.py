"""Whatever stands in Redis: the controller starts, answers, boosts, caps, reverts, and says so."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.strategies import jsons
from controller.conftest import Running, Start, alert, outcomes
from reliability.redis.poison import (
    HOME,
    INDEXES,
    KEYS,
    RULES,
    VALUES,
    poison_names,
    poison_type,
    poison_values,
)
from servers import RedisServer, eventually
from upshift_agent.contract import FLEET, read_version
from upshift_agent.contract.errors import WireError
from upshift_controller.sources.rollouts.knowledge import decode
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.stored import decode_budget, decode_state, encode_state, stored_rev

SHORT = RULES + "limits: {max_boosted_agents: 100}\n"
PAGES = [
    *("targets", "agents", "leases", "history", f"targets/{HOME}", "targets/fleet"),
    *("schedules", "rollouts?service=checkout"),
]


async def all_is_well(running: Running) -> None:
    """Pages show, an alert boosts, a cap binds, what has expired is reverted."""
    for page in PAGES:
        answer = await running.ask("GET", f"/api/v1/{page}")
        assert answer.status == 200, (page, answer.body)
    assert outcomes(await running.notify(alert())) == ["granted"]
    body = {"target": FLEET, "kind": "cap", "hz": 0, "duration": "1m"}
    assert (await running.ask("POST", "/api/v1/leases", json=body)).status == 201
    await running.controller.watches.scheduler.look()
    await running.controller.watches.rollouts.look()
    plan = json.loads(running.redis.get(KEYS.plan(FLEET)))
    assert sorted(it["hz"] for it in plan["leases"] if it["kind"] == "cap") == [0, 900]

    def reverted() -> bool:
        return not json.loads(running.redis.get(KEYS.plan(HOME)))["leases"]

    await asyncio.to_thread(eventually, reverted)
    for page in PAGES:
        answer = await running.ask("GET", f"/api/v1/{page}")
        assert answer.status == 200, (page, answer.body)
    await running.controller.schedule.sweep()


def unreadable(running: Running) -> float:
    metrics = running.controller.metrics.unreadable
    return sum(it.value for family in metrics.collect() for it in family.samples)


@pytest.mark.parametrize("before_the_start", [True, False])
async def test_keys_of_another_type_are_nobodys(
    start: Start, valkey: RedisServer, before_the_start: bool
) -> None:
    def poison() -> None:
        with valkey.client() as client:
            poison_type(client, "list")

    if before_the_start:
        poison()
    async with start(SHORT) as running:
        if not before_the_start:
            poison()
        await all_is_well(running)
        assert unreadable(running) > 0


async def test_names_that_are_none_stop_nothing_and_are_removed(
    start: Start, valkey: RedisServer
) -> None:
    with valkey.client() as client:
        poison_names(client)
    async with start(SHORT) as running:
        await all_is_well(running)
        with valkey.client() as client:
            for key in INDEXES:
                left = client.zrange(key, 0, -1)
                assert all(name.startswith(("service/", "fleet")) for name in left), left
            assert client.hlen(KEYS.agents(HOME)) == 0


async def test_values_that_say_nothing_stop_nothing(start: Start, valkey: RedisServer) -> None:
    async with start(SHORT) as running:
        for number, value in enumerate(VALUES):
            with valkey.client() as client:
                client.flushall()
                poison_values(client, value)
            for page in PAGES:
                answer = await running.ask("GET", f"/api/v1/{page}")
                assert answer.status == 200, (page, value, answer.body)
            await running.controller.schedule.sweep()
            granted = await running.notify(alert(fingerprint=f"{number:016x}"))
            assert outcomes(granted) == ["granted"], value
            body = {"target": FLEET, "kind": "cap", "hz": 0, "duration": "1m"}
            assert (await running.ask("POST", "/api/v1/leases", json=body)).status == 201, value
            await running.controller.watches.scheduler.look()
            await running.controller.watches.rollouts.look()
            leases = json.loads(running.redis.get(KEYS.plan(FLEET)))["leases"]
            assert sorted(it["hz"] for it in leases) == [0, 900], value
        assert unreadable(running) > len(VALUES)


async def test_a_history_whose_ids_are_used_up_stops_nothing(
    start: Start, valkey: RedisServer
) -> None:
    with valkey.client() as client:
        client.xadd(KEYS.history(HOME), {"entry": "x"}, id=f"{2**64 - 1}-{2**64 - 1}")
    async with start(SHORT) as running:
        await all_is_well(running)


async def test_what_a_newer_controller_added_is_left_out_and_the_rest_is_read(
    start: Start, valkey: RedisServer
) -> None:
    async with start(SHORT) as running:
        body = {"target": HOME, "kind": "cap", "hz": 5, "duration": "1h"}
        assert (await running.ask("POST", "/api/v1/leases", json=body)).status == 201
    with valkey.client() as client:
        state = json.loads(client.get(KEYS.state(HOME)))
        newer = state["leases"][0] | {"id": "new", "kind": "floor"}
        state["leases"] = [state["leases"][0] | {"colour": "red"}, newer]
        client.set(KEYS.state(HOME), json.dumps(state | {"x": {"y": 1}}, separators=(",", ":")))
        ((_, fields),) = client.xrange(KEYS.history(HOME))
        entry = json.loads(fields["entry"]) | {"event": "painted", "colour": "red", "more": [1]}
        client.xadd(KEYS.history(HOME), {"entry": json.dumps(entry)})
    async with start(SHORT) as running:
        assert sorted(it["hz"] for it in await running.leases()) == [5, 900]
        assert (await running.history())[-1] == "painted"
        assert outcomes(await running.notify(alert())) == ["granted"]
        assert sorted(it["hz"] for it in await running.leases()) == [5, 100, 900]


STATE = encode_state(TargetState(target=HOME, rev=7, plan_rev=7)).encode()


@given(st.binary() | jsons.map(json.dumps).map(str.encode), st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_a_decoder_ends_in_its_own_error(stored: bytes, data: Any) -> None:
    for read in (lambda it: decode_state(HOME, it), decode_budget, decode, read_version):
        with suppress(WireError, ValueError, TypeError):
            read(stored)
    stored_rev(stored)
    document = json.loads(STATE)
    document[
        data.draw(st.sampled_from(["leases", "cases", "forgotten", "baseline", "plan_rev"]))
    ] = data.draw(jsons)
    try:
        state = decode_state(HOME, json.dumps(document, separators=(",", ":")).encode())
    except WireError:
        return
    encode_state(state)
