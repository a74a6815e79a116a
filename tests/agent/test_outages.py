"""An agent whose server is gone, frozen, silent, empty or new again."""

import time

import pytest

from agent.conftest import HOME, Start, warnings
from servers import RedisServer, eventually
from upshift_agent.following import timing
from upshift_agent.testing import FakeController, RecordingDriver


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
