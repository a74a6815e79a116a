"""A follower: handed messages by hand, and shared by the agents of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.contract import FLEET, Keys, Plan, encode_plan
from upshift_agent.following.follower import Follower, Member
from upshift_agent.following.plans import Plans
from upshift_agent.following.subscription import Subscription
from upshift_agent.runtime.elapsed import elapsed_s
from upshift_agent.runtime.log import log
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"
BAD = b"no JSON"


class Asked:
    """Counts how often it is asked to read soon."""

    def __init__(self) -> None:
        self.times = 0

    def read_soon(self) -> None:
        self.times += 1


class One:
    """A member that does nothing."""

    targets = (HOME, FLEET)

    def plans_changed(self) -> None:
        pass

    def refresh(self) -> None:
        pass


def test_a_snapshot_that_is_refused_is_read_again_if_a_plan_was_pushed_meanwhile() -> None:
    follower = Follower("redis://127.0.0.1:1", "upshift", (), FLEET)
    follower.join(cast("Member", One()))
    follower._subscription = cast("Subscription", asked := Asked())
    now_ms = time.time() * 1000
    good = encode_plan(Plan(target=HOME, rev=1, now_ms=int(now_ms), leases=())).encode()
    before_ms = elapsed_ms()
    follower._read({HOME: BAD}, now_ms, before_ms, before_ms)
    # The next one is soon enough.
    assert (asked.times, len(follower.plans.skipped([HOME]))) == (0, 1)
    follower._hear(HOME, good)
    follower._read({HOME: BAD}, now_ms, before_ms, elapsed_ms())
    assert (asked.times, len(follower.plans.skipped([HOME]))) == (1, 1)


def elapsed_ms() -> float:
    """Now, by the clock of a snapshot's times."""
    return elapsed_s() * 1000


@pytest.fixture
def agents(valkey: RedisServer) -> Iterator[Callable[..., list[Agent]]]:
    """Start some agents with a driver each, and stop them after the test."""
    with ExitStack() as stack:

        def start(count: int = 1, **arguments: Any) -> list[Agent]:
            defaults: dict[str, Any] = {"redis_url": valkey.url, "service": "checkout"}
            made = [
                Agent(**{**defaults, "driver": RecordingDriver(), **arguments})
                for _ in range(count)
            ]
            for agent in made:
                stack.enter_context(agent)
            eventually(lambda: all(agent.connected for agent in made), within_s=20)
            return made

        yield start


def test_fifty_agents_of_a_process_have_two_connections(
    valkey: RedisServer, controller: FakeController, agents: Callable[..., list[Agent]]
) -> None:
    with valkey.client() as client:
        controller.now_ms()
        before = len(client.client_list())
        ours = [*agents(25), *agents(24, service="cart"), *agents(1, node="worker-3")]
        eventually(lambda: len(controller.statuses(HOME)) == 25)
        eventually(lambda: len(controller.statuses("service/cart")) == 24)
        eventually(lambda: len(controller.statuses("node/worker-3")) == 1)
        assert len(client.client_list()) - before == 2
        assert [it.name for it in threading.enumerate()].count("upshift-agent") == 1
        controller.add(FLEET, "cap", hz=9, for_s=60)
        eventually(lambda: all(it.decisions and it.decisions["cpu"].hz == 9 for it in ours))
        for agent in ours[1:]:
            agent.stop(timeout_s=10)
        assert len(controller.statuses(HOME)) == 1
        assert controller.statuses("service/cart") == {}
        cart = Keys().changes("service/cart")
        eventually(lambda: client.pubsub_numsub(cart)[0][1] == 0)
        ours[0].stop(timeout_s=10)
        assert controller.statuses(HOME) == {}
        eventually(lambda: len(client.client_list()) == before)


def test_an_agent_that_joins_later_gets_its_plans_at_once(
    controller: FakeController, agents: Callable[..., list[Agent]]
) -> None:
    """Long before the next reading, 24 s from now or later."""
    agents()
    for target in (HOME, "service/cart"):
        controller.boost(target, hz=100, for_s=60)
    for service in ("checkout", "cart", "cart"):
        driver = RecordingDriver()
        agents(driver=driver, service=service)
        driver.wait_for(100, timeout_s=5)


def test_an_agent_that_comes_back_hears_its_plans_again(
    controller: FakeController, agents: Callable[..., list[Agent]]
) -> None:
    agents()
    driver = RecordingDriver()
    (agent,) = agents(driver=driver, service="cart")
    for hz in (100, 110, 120):
        controller.boost("service/cart", hz=hz, for_s=60)
        driver.wait_for(hz, timeout_s=5)
        agent.stop(timeout_s=0)
        controller.release("service/cart")
        agent.start()
        driver.wait_for(19, timeout_s=5)
        eventually(lambda: agent.connected)


def test_an_agent_that_raises_does_not_keep_the_others_from_ending(
    controller: FakeController,
    agents: Callable[..., list[Agent]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, driver = agents()[0], RecordingDriver()
    agents(driver=driver)
    engine = broken._run.engine  # type: ignore[union-attr]
    for name in ("plans_changed", "report", "refresh"):
        monkeypatch.setattr(engine, name, fail)
    controller.boost(HOME, hz=100, for_s=1)
    until_ms = driver.wait_for(100).until_ms
    assert until_ms is not None
    driver.wait_for(19)
    assert controller.now_ms() - until_ms < 1000
    log.flush(time.monotonic() + 10)
    assert "an agent cannot do what is wanted: ZeroDivisionError: mine" in caplog.text
    broken.stop(timeout_s=10)
    assert len(controller.statuses(HOME)) == 1


def fail(*_: object) -> None:
    raise ZeroDivisionError("mine")


def test_agents_of_other_redis_or_secrets_share_nothing(
    valkey: RedisServer, controller: FakeController, agents: Callable[..., list[Agent]]
) -> None:
    ours = agents()
    ours += agents(secrets="a")
    ours += agents(secrets="b")
    ours += agents(namespace="other")
    ours += agents(redis_url=f"{valkey.url}/1")
    followers = [it._run.engine._follower for it in ours]  # type: ignore[union-attr]
    assert len(set(map(id, followers))) == len(ours)
    (again,) = agents(secrets=["a"])
    assert again._run.engine._follower is followers[1]  # type: ignore[union-attr]
    controller.boost(HOME, hz=100, for_s=60)
    for signed in ours[1:3]:
        eventually(lambda it=signed: it.status and it.status.skipped)  # type: ignore[misc]
    assert not ours[0].status.skipped  # type: ignore[union-attr]


def test_a_plan_is_decoded_once_for_all_agents_of_a_process(
    controller: FakeController,
    agents: Callable[..., list[Agent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = agents(10)
    times: list[bytes] = []
    take = Plans._decode

    def counted(self: Plans, target: str, message: bytes, pushed_at_ms: int | None) -> Plan:
        times.append(message)
        return take(self, target, message, pushed_at_ms)

    monkeypatch.setattr(Plans, "_decode", counted)
    controller.boost(HOME, hz=100, for_s=60)
    eventually(lambda: all(it.decisions and it.decisions["cpu"].hz == 100 for it in ours))
    assert len(times) == 1
