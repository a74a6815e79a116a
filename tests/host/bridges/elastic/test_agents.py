"""The Elastic bridge before a stand-in for APM Server, asked as Elastic's agents ask."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from host.bridges.conftest import StartBridge, soon
from host.bridges.elastic.apm_server import ApmServer
from host.bridges.elastic.asking import PYTHON, SECRET, Agent, until_told
from host.bridges.elastic.test_polls import JAVA
from host.bridges.process import applied, statuses
from servers import RedisServer
from upshift_agent.testing import FakeController
from upshift_host.bridges.elastic import behind, driver
from upshift_host.bridges.elastic.merging import INTERVAL, RATE

TARGET = "service/billing"


async def test_a_boost_is_merged_into_the_users_settings_and_applied_once_it_was_fetched(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    valkey: RedisServer, controller: FakeController,
) -> None:  # fmt: skip
    agent = Agent(session, elastic[1], JAVA)
    assert await agent.ask() == 200
    assert agent.settings == {"capture_body": "off", INTERVAL: "53ms"}
    assert agent.max_age == "must-revalidate, max-age=5"
    assert applied(valkey, TARGET) == []
    assert await agent.ask() == 304  # it comes back with what it has: then it is applied
    await soon(lambda: applied(valkey, TARGET) == [19])
    controller.boost(TARGET, hz=100, for_s=3)
    await until_told(agent, capture_body="off", **{INTERVAL: "10ms", RATE: "0.5"})
    await soon(lambda: [it.state for it in statuses(valkey, TARGET)] == ["applying"])
    assert await agent.ask() == 304
    await soon(lambda: applied(valkey, TARGET) == [100])
    (status,) = statuses(valkey, TARGET)
    assert status.applied is not None
    assert status.applied.profiles["cpu"].achieved_hz == 100
    assert status.attributes["k8s.pod.name"] == "billing-x"
    await until_told(agent, capture_body="off", **{INTERVAL: "53ms"})
    await agent.ask()
    await soon(lambda: applied(valkey, TARGET) == [19])


async def test_what_the_user_changes_comes_through_and_the_server_hears_of_its_own_etag(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession
) -> None:
    agent = Agent(session, elastic[1], JAVA)
    await agent.ask()
    former = server.etag()
    assert await agent.ask() == 304
    assert server.polls[-1].headers["If-None-Match"] == former
    server.settings = {"capture_body": "all", INTERVAL: "30ms"}
    assert await agent.ask() == 200
    assert agent.settings == {"capture_body": "all", INTERVAL: "30ms"}
    assert server.polls[-1].headers["If-None-Match"] == former
    # What ends at the server is the same request, but for that.
    poll = server.polls[0]
    assert json.loads(poll.body) == JAVA
    assert poll.headers["Authorization"] == f"Bearer {SECRET}"
    assert "If-None-Match" not in poll.headers
    assert poll.headers["X-Forwarded-For"] == "127.0.0.1"


async def test_agents_without_a_profiler_are_told_of_traces_alone(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    valkey: RedisServer, controller: FakeController,
) -> None:  # fmt: skip
    agent = Agent(session, elastic[1], PYTHON, product="python")
    await agent.ask()
    assert agent.settings == {"capture_body": "off"}
    await agent.ask()
    await soon(lambda: applied(valkey, TARGET) == [19])
    controller.boost(TARGET, hz=100, for_s=600)
    await until_told(agent, capture_body="off", **{RATE: "0.5"})
    controller.add("fleet", "cap", hz=0, for_s=600)
    await until_told(agent, capture_body="off")


async def test_the_server_behind_is_away_agents_keep_the_users_settings_and_boosts_end(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    valkey: RedisServer, controller: FakeController,
) -> None:  # fmt: skip
    bridge, url = elastic
    agent = Agent(session, url, JAVA)
    controller.boost(TARGET, hz=100, for_s=600)
    await until_told(agent, capture_body="off", **{INTERVAL: "10ms", RATE: "0.5"})
    server.status = 503
    controller.release(TARGET)
    await until_told(agent, capture_body="off", **{INTERVAL: "53ms"})
    await agent.ask()
    await soon(lambda: applied(valkey, TARGET) == [19])
    assert bridge.counts()["failures"] > 0
    # Of whom it has said nothing yet, nothing is known: they hear what it answers.
    other = Agent(session, url, {"service": {"name": "new"}})
    assert await other.ask() == 503
    assert other.max_age == "must-revalidate, max-age=5"  # or it would stay away for 5 minutes
    # Nor do other credentials have what these have been given.
    assert await Agent(session, url, JAVA, token="another").ask() == 503
    server.stop()
    assert await other.ask() == 503
    assert await agent.ask() == 304


async def test_a_server_that_does_not_answer_holds_nobody_up(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(behind, "ANSWER_S", 0.2)
    agent = Agent(session, elastic[1], JAVA)
    await agent.ask()
    server.delay_s = 3.0
    assert await agent.ask() == 304
    assert await Agent(session, elastic[1], {"service": {"name": "new"}}).ask() == 503


async def test_what_the_server_refuses_is_refused_and_has_no_agent(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    valkey: RedisServer, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    bridge, url = elastic
    server.token = SECRET
    assert await Agent(session, url, JAVA, token="wrong").ask() == 401
    assert len(bridge.agents) == 0
    agent = Agent(session, url, JAVA)
    assert await agent.ask() == 200
    server.status = 403
    assert await agent.ask() == 403
    async with session.post(f"{url}/config/v1/agents", data=b"{}") as answer:
        assert answer.status == 401
    async with session.post(f"{url}/config/v1/agents", data=b"x" * 300_000) as answer:
        assert answer.status == 413
    assert SECRET not in caplog.text


async def test_two_processes_of_one_name_are_one_agent_that_has_applied_when_both_have(
    server: ApmServer,
) -> None:
    now = [100.0]
    made = driver.PolledDriver("python", 5.0, lambda: now[0])
    made.answered("10.0.0.1", 100, 0.0, has_it=True)
    assert made._all_have(100)
    made.answered("10.0.0.2", 100, 0.0, has_it=False)
    assert not made._all_have(100)
    made.answered("10.0.0.2", 100, 0.0, has_it=True)
    assert made._all_have(100)
    now[0] += made.gone_after_s + 1
    made.answered("10.0.0.1", 100, 0.0, has_it=True)
    now[0] += 1
    assert made._all_have(100)  # the other one has gone
    for number in range(2 * driver.MAX_PEERS):
        made.answered(str(number), 100, 0.0, has_it=True)
    assert len(made._peers) <= driver.MAX_PEERS + 1


async def test_who_does_not_come_back_is_gone_and_there_are_no_more_than_most(
    start: StartBridge, server: ApmServer, session: aiohttp.ClientSession, valkey: RedisServer
) -> None:
    section = f"  server: {{url: '{server.url}'}}\n  most: 2\n"
    bridge, url = await start("elastic", section)
    for name in ("a", "b", "c"):
        agent = Agent(session, url, {"service": {"name": name, "agent": {"name": "java"}}})
        assert await agent.ask() == 200
    assert agent.settings == {"capture_body": "off"}  # the third has what is its own
    assert await agent.ask() == 304
    assert len(bridge.agents) == 2
    for served in list(bridge._served.values()):
        bridge.sweep(served.driver.seen + served.driver.gone_after_s + 0.1)
    assert len(bridge.agents) == 0
    await soon(lambda: statuses(valkey, "service/a") == [])
