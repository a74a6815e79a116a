"""The OpAMP bridge, with supervisors that speak OpAMP and do as they are told, or not."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from host.bridges.conftest import Join, StartBridge, soon
from host.bridges.opamp.standin import APPLIED, FAILED
from host.bridges.process import applied, statuses
from servers import RedisServer
from upshift_agent.testing import FakeController
from upshift_host.bridges.opamp import driver, server

TARGET = "service/checkout"


async def test_a_boost_reaches_a_collector_and_ends_there(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    _, url = await start("opamp")
    peer = await join(url, attributes={"host.name": "worker-3"})
    await soon(lambda: applied(valkey, TARGET) == [19])
    controller.boost(TARGET, hz=100, for_s=2)
    await soon(lambda: applied(valkey, TARGET) == [100])
    await soon(lambda: applied(valkey, TARGET) == [19])
    assert peer.numbers == [19, 100, 19]
    (status,) = statuses(valkey, TARGET)
    assert status.attributes["host.name"] == "worker-3"
    assert status.driver == "opamp: APPLYING, 19 in force"


async def test_applied_alone_confirms_too_and_silence_does_not(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    _, url = await start("opamp")
    peer = await join(url, mood="silent")
    await join(url, mood="applied", service="cart")
    await soon(lambda: applied(valkey, "service/cart") == [19])
    await soon(lambda: peer.numbers == [19])
    assert [it.state for it in statuses(valkey, TARGET)] == ["applying"]
    await peer.say(APPLIED)
    await soon(lambda: applied(valkey, TARGET) == [19])


async def test_applied_of_another_configuration_confirms_nothing(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    _, url = await start("opamp")
    peer = await join(url, mood="applied")
    await soon(lambda: applied(valkey, TARGET) == [19])
    peer.mood = "silent"
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: peer.numbers == [19, 100])
    peer.status.last_remote_config_hash = peer.configs[0].config_hash
    peer.status.status = APPLIED
    await peer.send(peer.everything())
    await asyncio.sleep(0.3)
    assert [it.state for it in statuses(valkey, TARGET)] == ["applying"]


async def test_a_refusal_is_a_nack_with_the_collectors_words_and_is_taken_back_at_once(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    bridge, url = await start("opamp")
    peer = await join(url, mood="fails", most=50)
    await soon(lambda: applied(valkey, TARGET) == [19])
    await peer.say(APPLIED)
    lease = controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: [it for it in statuses(valkey, TARGET) if it.state == "failed"])
    (status,) = statuses(valkey, TARGET)
    assert status.error == "ProfilerFailed: the collector: cannot sample 100 times a second"
    await asyncio.sleep(3.5)  # the agent has tried again, twice
    assert peer.numbers == [19, 100, 19]
    await peer.send(peer.everything())  # it says so again
    assert bridge.counts()["failures"] == 1
    controller.release(TARGET, lease)
    await soon(lambda: applied(valkey, TARGET) == [19])
    controller.boost(TARGET, hz=49, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [49])


async def test_a_refusal_that_comes_late_is_told_as_well_and_taken_back(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    _, url = await start("opamp")
    peer = await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    await peer.say(APPLIED)
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [100])
    await peer.say(FAILED, "crashed after a while")
    await soon(lambda: peer.numbers == [19, 100, 19])
    controller.add(TARGET, "cap", hz=1000, for_s=600)  # a status at once
    await soon(lambda: statuses(valkey, TARGET)[-1].state == "failed")
    assert statuses(valkey, TARGET)[-1].error == "the collector: crashed after a while"


async def test_the_end_of_a_boost_waits_for_no_collector_that_has_not_answered(
    start: StartBridge, join: Join, controller: FakeController
) -> None:
    _, url = await start("opamp")
    peer = await join(url, mood="silent")
    await soon(lambda: peer.numbers == [19])
    controller.boost(TARGET, hz=100, for_s=1)
    await soon(lambda: peer.numbers == [19, 100, 19])
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: peer.numbers == [19, 100, 19, 100])
    controller.add("fleet", "cap", hz=0, for_s=600)
    await soon(lambda: len(peer.numbers) == 5)
    assert b"probabilistic_threshold: 1" in peer.configs[-1].config.config_map[""].body


async def test_a_supervisor_that_comes_back_is_told_only_what_it_does_not_have(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    bridge, url = await start("opamp")
    peer = await join(url, mood="applied")
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [100])
    told = len(peer.configs)
    await peer.close()
    await soon(lambda: bridge.counts()["connected"] == 0)
    controller.add(TARGET, "cap", hz=900, for_s=600)  # a status at once
    await soon(lambda: statuses(valkey, TARGET)[-1].error == driver.AWAY)
    await peer.connect()
    await soon(lambda: bridge.counts()["connected"] == 1)
    controller.add(TARGET, "cap", hz=800, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [100])
    assert len(peer.configs) == told
    # What is wanted has changed while it was away.
    await peer.close()
    await soon(lambda: bridge.counts()["connected"] == 0)
    controller.add(TARGET, "pin", hz=49, for_s=600)
    await asyncio.sleep(0.3)
    await peer.connect()
    await soon(lambda: peer.numbers[-1] == 49)
    await soon(lambda: applied(valkey, TARGET) == [49])


async def test_a_bridge_that_starts_takes_down_what_another_left_and_raises_nothing_anew(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    _, url = await start("opamp")
    left, kept = await join(url, mood="applied"), await join(url, mood="applied", service="cart")
    lease = controller.boost(TARGET, hz=100, for_s=600)
    controller.boost("service/cart", hz=100, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [100])
    await soon(lambda: applied(valkey, "service/cart") == [100])
    await left.close()
    await kept.close()
    controller.release(TARGET, lease)
    told = len(kept.configs)
    _, other = await start("opamp")
    for peer in (left, kept):
        peer.url = f"{other.replace('http', 'ws')}/v1/opamp"
        await peer.connect()
    await soon(lambda: left.numbers[-1] == 19)
    await soon(lambda: 100 in applied(valkey, "service/cart"))
    assert len(kept.configs) == told


async def test_a_bridge_that_ends_tells_all_their_baseline_and_says_goodbye(
    valkey: RedisServer, join: Join, controller: FakeController, start: StartBridge, tmp_path: Any
) -> None:
    bridge, url = await start("opamp")
    peer = await join(url)
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: applied(valkey, TARGET) == [100])
    await bridge.close(5.0)
    await soon(lambda: peer.closed is not None)
    assert (peer.numbers[-1], peer.closed) == (19, aiohttp.WSCloseCode.GOING_AWAY)


async def test_the_agent_of_a_supervisor_that_says_goodbye_goes_with_it(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    bridge, url = await start("opamp")
    peer = await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    await peer.leave()
    await soon(lambda: statuses(valkey, TARGET) == [])
    assert len(bridge.agents) == 0


async def test_one_that_is_lost_keeps_its_agent_for_a_while(
    start: StartBridge, join: Join, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_S", 0.5)
    bridge, url = await start("opamp")
    peer = await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    await peer.close()
    await soon(lambda: bridge.counts()["connected"] == 0)
    assert len(bridge.agents) == 1
    await soon(lambda: len(bridge.agents) == 0)
    await soon(lambda: statuses(valkey, TARGET) == [])


async def test_without_remote_configuration_the_status_says_what_to_set(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    _, url = await start("opamp")
    peer = await join(url, capabilities=0x1 | 0x4)
    await soon(lambda: [it for it in statuses(valkey, TARGET) if it.state == "failed"])
    assert "accepts_remote_config" in str(statuses(valkey, TARGET)[0].error)
    assert peer.configs == []
