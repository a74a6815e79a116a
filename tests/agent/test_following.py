"""An agent against a real server, through everything that happens to connections."""

import logging
import time
from collections.abc import Callable

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.following import timing
from upshift_agent.runtime.log import log
from upshift_agent.testing import FakeController, RecordingDriver

HOME = "service/checkout"
Start = Callable[..., Agent]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    log.flush(time.monotonic() + 10)  # a thread hands lines over
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_push_reaches_the_driver(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start()
    lease = controller.boost(HOME, hz=100, for_s=60)
    decision = driver.wait_for(100)
    assert decision.previous_hz == 19
    assert decision.because == {"by": "test"}
    assert decision.until is not None
    controller.release(HOME, lease)
    assert driver.wait_for(19).previous_hz == 100


def test_what_came_before_the_agent_is_in_its_first_snapshot(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    controller.boost(HOME, hz=100, for_s=60)
    start()
    driver.wait_for(100)


def test_a_message_that_was_lost_is_made_good_by_the_next_snapshot(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "RESYNC_S", 0.2)
    start()
    controller.add(HOME, "boost", hz=100, for_s=60, publish=False)
    driver.wait_for(100)


def test_without_redis_the_profiler_runs_at_the_local_baseline(
    start: Start, driver: RecordingDriver
) -> None:
    agent = start(follow=False, redis_url="redis://127.0.0.1:1", baseline_hz=9)
    assert driver.wait_for(9).because == {"baseline": "default"}
    assert not agent.connected
    eventually(lambda: agent.status and agent.status.state == "applied")


def test_leases_step_down_on_time_with_the_server_dead(
    start: Start, controller: FakeController, driver: RecordingDriver, valkey: RedisServer
) -> None:
    start()
    controller.boost(HOME, hz=49, for_s=3)
    controller.boost(HOME, hz=100, for_s=1.5)
    ends = {100: driver.wait_for(100).until_ms}
    offset_ms = controller.now_ms() - time.monotonic() * 1000
    valkey.kill()
    ends[49] = driver.wait_for(49).until_ms
    driver.wait_for(19)
    assert driver.frequencies[-3:] == [100, 49, 19]
    for position, hz in ((-2, 100), (-1, 49)):
        end = ends[hz]
        assert end is not None
        assert -50 < driver.called_at[position] * 1000 + offset_ms - end < 1000


def test_after_a_restart_of_the_server_the_agent_converges_at_once(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    valkey: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    agent = start()
    valkey.kill()
    eventually(lambda: not agent.connected)
    valkey.start()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100, timeout_s=timing.LONGEST_BACKOFF_S + 2)
    assert len(warnings(caplog)) == 1, "an outage is one line, however often it was tried"


def test_a_killed_subscription_is_made_anew(
    start: Start, controller: FakeController, driver: RecordingDriver, valkey: RedisServer
) -> None:
    start()
    with valkey.client() as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        controller.boost(HOME, hz=100, for_s=60)
        driver.wait_for(100)
        eventually(lambda: client.execute_command("PUBSUB", "NUMSUB", "upshift:v1:{fleet}:changes"))


def test_a_frozen_server_is_noticed(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    valkey: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "PING_S", 0.2)
    monkeypatch.setattr(timing, "TIMEOUT_S", 0.3)
    agent = start()
    valkey.freeze()
    eventually(lambda: not agent.connected)
    valkey.thaw()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)


def test_a_silent_server_that_answers_is_left_alone(
    start: Start, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "PING_S", 0.02)
    monkeypatch.setattr(timing, "TIMEOUT_S", 0.5)
    start()
    with valkey.client() as client:
        (before,) = client.client_list(_type="pubsub")
        eventually(lambda: commands(valkey, "ping") >= 4)
        (after,) = client.client_list(_type="pubsub")
    assert after["id"] == before["id"], "its subscription is the one that it began with"


def test_a_server_that_lost_its_data_ends_nobodys_lease(
    start: Start,
    controller: FakeController,
    driver: RecordingDriver,
    valkey: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "RESYNC_S", 0.1)
    start()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    with valkey.client() as client:
        client.flushall()
        reads = commands(valkey, "time")
        eventually(lambda: commands(valkey, "time") >= reads + 3)
    assert driver.frequencies[-1] == 100
    controller.boost(HOME, hz=77, for_s=60)  # and the revisions that follow are newer still
    controller.release(HOME)
    driver.wait_for(19)


def commands(valkey: RedisServer, name: str) -> int:
    with valkey.client() as client:
        stats = client.info("commandstats")
        return int(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


def test_the_kill_switch_stops_everyone(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    controller.add("fleet", "cap", hz=0, for_s=60)
    driver.wait_for(0)


def test_the_fleets_baseline_replaces_the_local_one(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start(attributes={"deployment.environment": "staging"})
    controller.set_baseline(9, staging=49)
    assert driver.wait_for(49).because == {"baseline": "staging"}


def test_a_lease_for_another_environment_changes_nothing(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    agent = start(attributes={"deployment.environment.name": "staging"})
    where = {"deployment.environment.name": "production"}
    controller.boost(HOME, hz=100, for_s=60, where=where)
    eventually(lambda: agent.status and HOME in agent.status.requested.revs)
    assert driver.frequencies == [19]


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
        return status.state == "applied" and status.applied.hz == 80

    eventually(applied)
    ((field, status),) = controller.statuses(HOME).items()
    assert field == status.attributes["upshift.agent.id"]
    assert (status.instance, status.driver, status.max_hz) == ("checkout-7d9f", "recording", 80)
    assert status.attributes["service.name"] == "checkout"
    assert (status.requested.lease, status.requested.clamped_from) == (lease, 100)
    assert status.applied is not None
    assert status.applied.revs == status.requested.revs
    assert status.applied.achieved_hz == 79.5
    assert abs(status.applied.at_ms - controller.now_ms()) < 10_000
    assert status.sdk.startswith("python/")
    assert agent.decision is not None
    assert agent.decision.hz == 80
    with valkey.client() as client:
        keys = Keys()
        assert client.zrange(keys.reporting, 0, -1) == [HOME]
        assert 0 < client.ttl(keys.agents(HOME)) <= 86_400


def test_a_clean_stop_takes_the_status_back(start: Start, controller: FakeController) -> None:
    agent = start()
    eventually(lambda: controller.statuses(HOME))
    agent.stop()
    assert controller.statuses(HOME) == {}
    assert agent.decision is None


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


def test_an_agent_uses_two_connections(start: Start, valkey: RedisServer) -> None:
    with valkey.client() as client:
        before = len(client.client_list())
        agent = start()
        eventually(lambda: client.hlen(Keys().agents(HOME)))
        assert len(client.client_list()) - before == 2
        agent.stop()
        eventually(lambda: len(client.client_list()) == before)


def test_a_host_agent_follows_its_node(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start(service=None, node="worker-3")
    controller.boost("node/worker-3", hz=100, for_s=60)
    driver.wait_for(100)
    eventually(lambda: controller.statuses("node/worker-3"))


def test_two_agents_of_one_service_in_one_process_both_report(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    other = RecordingDriver()
    start()
    start(driver=other)
    eventually(lambda: len(controller.statuses(HOME)) == 2)
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    other.wait_for(100)


def test_plans_of_another_namespace_are_not_ours(
    start: Start, controller: FakeController, driver: RecordingDriver, valkey: RedisServer
) -> None:
    start(namespace="staging")
    controller.boost(HOME, hz=100, for_s=60)
    staging = FakeController(valkey.url, "staging")
    staging.boost(HOME, hz=49, for_s=60)
    driver.wait_for(49)
    assert 100 not in driver.frequencies
    staging.close()


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


def test_a_connection_that_is_lost_again_and_again_is_one_line(
    start: Start, valkey: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    agent = start()
    with valkey.client() as client:
        for _ in range(3):
            eventually(lambda: agent.connected)
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            eventually(lambda: not agent.connected, every_s=0.001)
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("moved_ms", [-3_600_000, 3_600_000])
@pytest.mark.parametrize("secret", [None, b"secret"])
def test_a_cap_is_obeyed_at_once_though_redis_has_moved_its_clock(
    start: Start, valkey: RedisServer, driver: RecordingDriver, moved_ms: int, secret: bytes | None
) -> None:
    agent = start(secrets=secret or ())
    run = agent._run
    assert run is not None
    assert run.engine is not None
    run.engine._follower.clock._offset -= moved_ms  # as if Redis's had moved, not the agent's
    controller = FakeController(valkey.url, secret=secret)
    controller.add("fleet", "cap", hz=0, for_s=60)
    driver.wait_for(0, timeout_s=2)
    controller.close()
