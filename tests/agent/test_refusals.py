"""What an agent may not read, may not say or cannot understand costs nothing else."""

import pytest

from agent.conftest import HOME, Start, warnings
from contract.statuses import applied_hz
from servers import RedisServer, eventually
from upshift_agent.contract import Keys
from upshift_agent.testing import FakeController, RecordingDriver


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("no JSON", "not JSON"),
        ('{"v": 2, "target": "service/checkout"}', "plan version must be 1, got 2"),
        ('{"v": 1, "target": "service/cart", "rev": 1, "now_ms": 1}', "addressed to"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_bad_message_is_logged_once_and_skipped_and_reported(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    caplog: pytest.LogCaptureFixture,
    message: str | bytes,
    reason: str,
) -> None:
    agent = start()
    for _ in range(3):
        controller.publish_raw(HOME, message)
    eventually(lambda: agent.status and any(reason in line for line in agent.status.skipped))
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    assert [reason in line for line in warnings(caplog)] == [True]
    eventually(lambda: agent.status and not agent.status.skipped)


def test_a_lease_of_an_unknown_kind_is_reported_and_the_others_are_followed(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start()
    now = controller.now_ms()
    lease = '{"id": "%s", "kind": "%s", "hz": 77, "since_ms": 1, "expires_at_ms": %d}'
    leases = f"{lease % ('a', 'wobble', now + 60_000)}, {lease % ('b', 'boost', now + 60_000)}"
    controller.publish_raw(
        HOME, f'{{"v": 1, "target": "{HOME}", "rev": {now}, "now_ms": {now}, "leases": [{leases}]}}'
    )
    driver.wait_for(77)
    eventually(lambda: reported(controller).skipped == ("lease 'a': unknown kind 'wobble'",))


def reported(controller: FakeController, target: str = HOME):  # type: ignore[no-untyped-def]
    (status,) = controller.statuses(target).values()
    return status


def test_with_a_secret_only_signed_plans_are_followed(
    start: Start, controller: FakeController, driver: RecordingDriver, valkey: RedisServer
) -> None:
    agent = start(secrets=["old", "new"])
    controller.boost(HOME, hz=100, for_s=60)
    eventually(lambda: agent.status and any("not signed" in s for s in agent.status.skipped))
    signing = FakeController(valkey.url, secret=b"new")
    signing.boost(HOME, hz=49, for_s=60)
    driver.wait_for(49)
    assert 100 not in driver.frequencies
    signing.close()


def test_the_status_says_what_is_wanted_and_what_is_applied(
    start: Start, controller: FakeController, driver: RecordingDriver, valkey: RedisServer
) -> None:
    driver.achieved_hz = 79.5
    agent = start(max_hz=80, attributes={"k8s.pod.name": "checkout-7d9f"})
    lease = controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(80)

    def applied() -> bool:
        status = reported(controller)
        return status.state == "applied" and applied_hz(status) == 80

    eventually(applied)
    ((field, status),) = controller.statuses(HOME).items()
    assert field == status.attributes["upshift.agent.id"]
    assert (status.instance, status.driver, status.max_hz) == ("checkout-7d9f", "recording", 80)
    assert status.attributes["service.name"] == "checkout"
    wanted = status.requested.profiles["cpu"]
    assert (wanted.lease, wanted.clamped_from) == (lease, 100)
    assert status.applied is not None
    assert status.applied.revs == status.requested.revs
    assert status.applied.profiles["cpu"].achieved_hz == 79.5
    assert abs(status.applied.at_ms - controller.now_ms()) < 10_000
    assert status.sdk.startswith("python/")
    assert agent.decisions["cpu"].hz == 80
    with valkey.client() as client:
        keys = Keys()
        assert client.zrange(keys.reporting, 0, -1) == [HOME]
        assert 0 < client.ttl(keys.agents(HOME)) <= 86_400


def test_a_clean_stop_takes_the_status_back(start: Start, controller: FakeController) -> None:
    agent = start()
    eventually(lambda: controller.statuses(HOME))
    agent.stop()
    assert controller.statuses(HOME) == {}
    assert not agent.decisions


def test_an_agent_that_may_not_report_follows_all_the_same(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    valkey: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with valkey.client() as client:
        client.execute_command(
            "ACL SETUSER reader on nopass allchannels ~* +get +time +subscribe +ping"
        )
    start(redis_url=valkey.url.replace("//", "//reader:secret-word@"))
    for hz in (100, 110, 120):
        controller.boost(HOME, hz=hz, for_s=60)
        driver.wait_for(hz)
    eventually(lambda: len(warnings(caplog)) == 1)
    assert "does not take this agent's status" in warnings(caplog)[0]
    assert "secret-word" not in caplog.text


def test_a_plan_that_may_not_be_read_costs_no_other(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    valkey: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with valkey.client() as client:
        client.lpush(Keys().plan("fleet"), "not a plan")
    controller.boost(HOME, hz=100, for_s=60)
    start()
    driver.wait_for(100)
    assert len(warnings(caplog)) == 1
    assert "does not give the plan of fleet" in warnings(caplog)[0]
