"""Signed plans, end to end: who has no secret moves nobody, and secrets change without a gap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from security import processes
from security.processes import Controller
from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys, Lease, Plan, decode_plan, encode_plan
from upshift_agent.testing import RecordingDriver
from upshift_controller.errors import StartRefused
from upshift_controller.storage.seal import seal, signed_otherwise, unseal
from upshift_controller.web.auth import read_secrets
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.stored import encode_state

HOME = "service/checkout"
KEYS = Keys()
OLD, NEW = b"the-old-secret-0123456789", b"the-new-secret-0123456789"
BOOST = {"target": HOME, "kind": "boost", "hz": 100, "duration": "10m"}


@pytest.fixture
def controller(valkey: RedisServer, tmp_path: Path) -> Iterator[Controller]:
    (tmp_path / "secrets").write_bytes(OLD)
    with processes.controller(tmp_path, valkey.url, "secret_file: secrets\n") as controller:
        yield controller


@pytest.fixture
def driver() -> RecordingDriver:
    return RecordingDriver()


@pytest.fixture
def agent(valkey: RedisServer, driver: RecordingDriver) -> Iterator[Agent]:
    with Agent(redis_url=valkey.url, service="checkout", driver=driver, secrets=OLD) as agent:
        eventually(lambda: agent.connected)
        yield agent


@pytest.fixture
def writer(valkey: RedisServer) -> Iterator[redis.Redis]:
    """Somebody who may write anything to Redis, and has no secret."""
    with redis.Redis.from_url(valkey.url) as client:
        yield client


def put(writer: redis.Redis, message: str | bytes) -> None:
    writer.set(KEYS.plan(HOME), message)
    writer.publish(KEYS.changes(HOME), message)


def forged(writer: redis.Redis, *leases: Lease) -> Plan:
    seconds, _ = writer.time()
    rev, now_ms = (seconds + 60) * 1_000_000, seconds * 1000
    return Plan(target=HOME, rev=rev, now_ms=now_ms, after=rev, leases=leases)


def lease(writer: redis.Redis, kind: str, hz: int, lasts_s: int = 600) -> Lease:
    seconds, _ = writer.time()
    return Lease(
        id=f"{kind}/forged",
        kind=kind,  # type: ignore[arg-type]
        hz=hz,
        since_ms=(seconds - 1) * 1000,
        expires_at_ms=(seconds + lasts_s) * 1000,
    )


def refusal(agent: Agent) -> bool:
    return bool(agent.status and any("sign" in line for line in agent.status.skipped))


def test_a_writer_without_the_secret_neither_raises_nor_lowers_an_agent(
    controller: Controller, agent: Agent, driver: RecordingDriver, writer: redis.Redis
) -> None:
    controller.lease(**BOOST)
    driver.wait_for(100)
    good = writer.get(KEYS.plan(HOME))
    up, down, nothing = [lease(writer, "pin", 999)], [lease(writer, "cap", 0)], []
    for leases in (up, down, nothing):
        for secret in (None, b"some-other-secret-012345"):
            put(writer, encode_plan(forged(writer, *leases), secret))
            eventually(lambda: refusal(agent))
            put(writer, good)
            eventually(lambda: not refusal(agent))
    tampered = json.loads(good)
    tampered["plan"] = tampered["plan"].replace('"hz":100', '"hz":999')
    put(writer, json.dumps(tampered))
    eventually(lambda: refusal(agent))
    assert driver.frequencies == [19, 100]


def test_a_state_that_was_planted_is_never_signed(
    controller: Controller, agent: Agent, driver: RecordingDriver, writer: redis.Redis
) -> None:
    """Else a controller would turn a forged state into a signed plan."""
    controller.lease(**BOOST)
    driver.wait_for(100)
    seconds, _ = writer.time()
    ends = lease(writer, "boost", 1, lasts_s=-1)  # what is due makes the controller commit
    for leases in ([lease(writer, "pin", 999), ends], [lease(writer, "cap", 0), ends], [ends]):
        state = TargetState(
            target=HOME, rev=seconds * 1_000_000, plan_rev=1, plan_after=1, leases=tuple(leases)
        )
        for planted in (encode_state(state), seal(HOME, encode_state(state), [b"another-one"])):
            writer.set(KEYS.state(HOME), planted)
            writer.zadd(KEYS.due, {HOME: 1})
            controller.lease(**BOOST | {"hz": 90, "duration": "9m"})
            stored = writer.get(KEYS.state(HOME))
            assert b"forged" not in unseal(HOME, stored, [OLD])
    assert set(driver.frequencies) == {19, 100}


def test_a_replayed_plan_is_refused_pushed_and_in_a_snapshot(
    controller: Controller, agent: Agent, driver: RecordingDriver, writer: redis.Redis
) -> None:
    boost = controller.lease(**BOOST)
    driver.wait_for(100)
    recorded = writer.get(KEYS.plan(HOME))
    controller.release(boost)
    driver.wait_for(19)
    put(writer, recorded)
    writer.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # so the snapshot is read again
    eventually(lambda: not agent.connected, every_s=0.001)
    eventually(lambda: agent.connected)
    controller.lease(target="fleet", kind="cap", hz=7, duration="1m")
    driver.wait_for(7)
    assert driver.frequencies == [19, 100, 19, 7]


def test_an_old_push_is_refused_also_by_an_agent_that_knows_nothing_newer(
    controller: Controller, agent: Agent, driver: RecordingDriver, writer: redis.Redis
) -> None:
    plan = forged(writer, lease(writer, "pin", 999))
    old = replace(plan, now_ms=plan.now_ms - 31_000)
    writer.publish(KEYS.changes(HOME), encode_plan(old, OLD))
    eventually(
        lambda: agent.status and any("after it was signed" in it for it in agent.status.skipped)
    )
    assert driver.frequencies == [19]


def test_a_signed_plan_of_another_target_is_refused(
    controller: Controller, agent: Agent, driver: RecordingDriver, writer: redis.Redis
) -> None:
    controller.lease(**BOOST | {"target": "service/cart", "hz": 199})
    put(writer, writer.get(KEYS.plan("service/cart")) or b"")
    eventually(lambda: agent.status and any("addressed to" in it for it in agent.status.skipped))
    assert driver.frequencies == [19]


def test_secrets_are_changed_without_a_gap(
    valkey: RedisServer, controller: Controller, tmp_path: Path
) -> None:
    """Accept both everywhere, sign with the new, drop the old; agents are restarted, as rollouts
    do, the controller is not."""
    ours, theirs = tmp_path / "secrets", tmp_path / "agent-secrets"

    def agent(name: str, *secrets: bytes):  # type: ignore[no-untyped-def]
        theirs.write_bytes(b"\n".join(secrets))
        return processes.agent(tmp_path / name, valkey.url, UPSHIFT_SECRET_FILE=str(theirs))

    with agent("first", OLD) as first:
        boost = controller.lease(**BOOST)
        first.is_at(100)
        ours.write_bytes(OLD + b"\n" + NEW)
        controller.reload()
        with agent("second", OLD, NEW) as second:
            second.is_at(100)
            assert first.stop() == ""
            ours.write_bytes(NEW + b"\n" + OLD)
            controller.reload()
            assert controller.said("signed anew with the first secret") == 1
            cap = controller.lease(target="fleet", kind="cap", hz=49, duration="10m")
            second.is_at(49)
            ours.write_bytes(NEW)
            controller.reload()
            with agent("third", NEW) as third:
                third.is_at(49)
                assert second.stop() == ""
                controller.release(cap)
                third.is_at(100)
                controller.release(boost)
                third.is_at(19)
                assert third.stop() == ""
    entries = controller.get(f"/api/v1/history?target={HOME}")["entries"]
    assert [it["event"] for it in reversed(entries)] == ["granted", "released"]
    assert decode_plan(valkey.client().get(KEYS.plan("fleet")), [NEW]).baseline is not None


def test_a_state_belongs_to_its_target_and_is_no_plan() -> None:
    document = encode_state(TargetState(target=HOME, rev=1))
    sealed = seal(HOME, document, [OLD]).encode()
    assert unseal(HOME, sealed, [NEW, OLD]) == document.encode()
    for target, secrets in (("fleet", [OLD]), (HOME, [NEW])):
        with pytest.raises(Exception, match="signed with none"):
            unseal(target, sealed, secrets)
    with pytest.raises(Exception, match="not signed"):
        unseal(HOME, document.encode(), [OLD])
    assert unseal(HOME, sealed, []) == document.encode()  # signing was turned off
    assert [signed_otherwise(HOME, sealed, it) for it in ([OLD], [NEW, OLD], [NEW], [])] == [
        False, True, False, True,
    ]  # fmt: skip


def test_a_file_of_secrets_without_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    for text in (b"", b"\n\n", b"long-enough-0123456789\nshort\n"):
        path.write_bytes(text)
        with pytest.raises(StartRefused, match="at least 16 bytes"):
            read_secrets(path)
    path.write_bytes(b"\n" + OLD + b"\r\n\n" + NEW + b"\n")
    assert read_secrets(path) == (OLD, NEW)
