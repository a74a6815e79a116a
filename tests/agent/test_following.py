"""An agent against a real server, through everything that happens to connections."""

import pytest

from agent.conftest import HOME, Start
from servers import RedisServer, eventually
from upshift_agent.contract import Keys
from upshift_agent.following import timing
from upshift_agent.testing import FakeController, RecordingDriver


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


def test_the_kill_switch_stops_everyone(
    start: Start, controller: FakeController, driver: RecordingDriver
) -> None:
    start()
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    controller.add("fleet", "cap", hz=0, for_s=60)
    driver.wait_for(0)


@pytest.mark.parametrize("attribute", ["host.name", "k8s.node.name"])
def test_a_cap_on_its_node_reaches_an_agent_that_is_no_host_agent(
    start: Start, controller: FakeController, driver: RecordingDriver, attribute: str
) -> None:
    start(attributes={attribute: "worker-3"})
    controller.boost(HOME, hz=100, for_s=60)
    driver.wait_for(100)
    controller.add("node/worker-3", "cap", hz=0, for_s=60)
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
