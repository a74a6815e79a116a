"""Processes that may open nothing more: all that they lose is lost until they may again."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from controller.test_serve import log, notify, serve
from own_valkey import valkeys
from reliability.network.subscriptions import Scene
from reliability.parts.agents import agents
from reliability.parts.controllers import controller
from servers import RedisServer, eventually
from upshift_agent.following.timing import LONGEST_BACKOFF_S

#: Promises 1 and 9, in seconds.
ENDED_S = 1.0
KILLED_S = 2.0


@contextmanager
def used_up(pid: int) -> Iterator[None]:
    """The process keeps what it has, and whatever it closes is somebody else's at once."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def scene(folder: Path, valkey: RedisServer) -> Iterator[Scene]:
    with (
        agents(folder, valkey.url, "a", "b") as fleet,
        controller(folder, valkey.url) as upshift,
    ):
        now = Scene(valkey, fleet, upshift)
        eventually(lambda: now.subscribers() == 1)
        yield now
        for process in (fleet.process, upshift.process):
            assert process is not None
            assert process.poll() is None


def raised(now: Scene) -> bool:
    """Whether every agent has been at 100 Hz; on a busy machine it may be back by now."""
    return all(100 in {it.hz for it in now.fleet.of(name)} for name in now.fleet.instances)


def lose_connections(valkey: RedisServer) -> None:
    with valkey.client() as client:
        client.client_kill_filter(_type="pubsub")
        client.client_kill_filter(_type="normal", skipme=True)


def kill_switch(now: Scene, *, within_s: float) -> None:
    asked_at = time.monotonic()
    now.upshift.lease(target="fleet", kind="cap", hz=0, duration="10m")
    granted_at = time.monotonic()
    assert granted_at - asked_at < KILLED_S
    assert now.told_at(0) - granted_at < within_s


@pytest.mark.parametrize("lost", ["nothing", "all connections"])
def test_an_agent_without_descriptors_ends_its_boost_and_obeys_once_there_are_some(
    lost: str, tmp_path: Path, valkey: RedisServer
) -> None:
    with scene(tmp_path, valkey) as now:
        end_at = now.boost(100, 4)
        eventually(lambda: raised(now), within_s=30)
        with used_up(now.fleet.process.pid):
            if lost != "nothing":
                lose_connections(valkey)
                eventually(lambda: now.subscribers() == 0)
            assert abs(now.told_at(19) - end_at) < ENDED_S
        # One that was cut off looks for Redis now and then.
        cut_off_s = 0 if lost == "nothing" else LONGEST_BACKOFF_S
        kill_switch(now, within_s=KILLED_S + cut_off_s)
    said = (tmp_path / "a-b.log").read_text()
    assert said.count("no connection to") == (lost != "nothing"), "once for the process"
    assert "Traceback" not in said


@pytest.mark.parametrize("lost", ["nothing", "all connections"])
def test_a_controller_without_descriptors_lives_on_and_caps_once_there_are_some(
    lost: str, tmp_path: Path, valkey: RedisServer
) -> None:
    with scene(tmp_path, valkey) as now, requests.Session() as connected:
        end_at = now.boost(100, 4)
        eventually(lambda: raised(now), within_s=30)
        ready = f"{now.upshift.url}/-/ready"
        assert connected.get(ready, timeout=10).status_code == 200
        assert now.upshift.process is not None
        with used_up(now.upshift.process.pid):
            if lost != "nothing":
                lose_connections(valkey)
                eventually(lambda: connected.get(ready, timeout=10).status_code == 503)
            for _ in range(10):  # these wait to be taken
                with pytest.raises(requests.Timeout):
                    requests.get(ready, timeout=0.1)
            assert abs(now.told_at(19) - end_at) < ENDED_S
        kill_switch(now, within_s=KILLED_S)
        assert now.upshift.get("/-/ready")
        eventually(lambda: "expired" in [it["event"] for it in now.upshift.history()])
        # As long as somebody waits, this is tried again each second.
        lines = now.upshift.log.read_text().splitlines()
        assert sum("connections cannot be taken" in line for line in lines) == 1
        assert len(lines) < 20


def test_a_valkey_that_ended_meanwhile_is_started_again_once_there_are_descriptors(
    tmp_path: Path,
) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
        assert server.process is not None
        with used_up(server.process.pid):
            (process,) = valkeys(tmp_path / "data")
            os.kill(process, signal.SIGKILL)
            said = "own Valkey cannot be started again yet"
            eventually(lambda: said in [it["event"] for it in log(server)])
        assert eventually(lambda: notify(server), within_s=15) == ["repeat"]
    assert valkeys(tmp_path / "data") == []
