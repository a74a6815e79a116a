"""Agents that were told the same of themselves are still told apart."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from servers import RedisServer, eventually
from upshift_agent import Agent
from upshift_agent.config import Config
from upshift_agent.contract import AGENT, PID, STARTED
from upshift_agent.testing import FakeController

SAME = {"service.instance.id": "host", "host.name": "host"}
HOME = "service/checkout"


def test_agents_of_one_instance_and_one_pid_do_not_overwrite_each_other(
    start: Callable[..., Agent], controller: FakeController
) -> None:
    """As those in two containers that have the host's network, and are each process 1 of it."""
    ours = [start(attributes=SAME) for _ in range(2)]
    statuses = eventually(lambda: rows if len(rows := controller.statuses(HOME)) == 2 else None)
    assert {it.instance for it in statuses.values()} == {"host"}
    assert {it.attributes["process.pid"] for it in statuses.values()} == {str(os.getpid())}
    assert set(statuses) == {it.status.attributes[AGENT] for it in ours if it.status}


def test_forked_workers_have_ids_of_their_own(
    valkey: RedisServer, controller: FakeController
) -> None:
    agent = Agent(redis_url=valkey.url, service="checkout", driver=lambda _: None, attributes=SAME)
    with agent:
        eventually(lambda: len(controller.statuses(HOME)) == 1)
        here, there = get_context("fork").Pipe()
        workers = [get_context("fork").Process(target=_wait, args=(there,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        try:
            eventually(lambda: len(controller.statuses(HOME)) == 4)
            assert len({it.attributes[AGENT] for it in controller.statuses(HOME).values()}) == 4
        finally:
            for worker in workers:
                worker.kill()
                worker.join()
            here.close()
            there.close()


def test_pid_and_start_say_which_process_an_agent_is_in(
    valkey: RedisServer, controller: FakeController
) -> None:
    """As seen from outside: so a host agent profiles nobody twice. A child is another process."""
    told = {PID: "1", STARTED: "1"}  # what an application says of these is not believed
    agent = Agent(redis_url=valkey.url, service="checkout", driver=lambda _: None, attributes=told)
    with agent:
        here, there = get_context("fork").Pipe()
        worker = get_context("fork").Process(target=_wait, args=(there,))
        worker.start()
        try:
            statuses = eventually(
                lambda: rows if len(rows := controller.statuses(HOME)) == 2 else None
            )
            found = {(it.attributes[PID], it.attributes[STARTED]) for it in statuses.values()}
            assert found == {(str(pid), _started(pid)) for pid in (os.getpid(), worker.pid)}
        finally:
            worker.kill()
            worker.join()
            here.close()
            there.close()


def _started(pid: int | None) -> str:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat[stat.rindex(")") + 2 :].split(" ")[22 - 3]


def _wait(end: Connection) -> None:
    end.poll(30)


def test_an_agent_that_speaks_for_another_process_is_not_in_this_ones_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("POD_NAME", "upshift-host-x2x")
    monkeypatch.setenv("POD_NAMESPACE", "monitoring")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tools")
    config = Config(redis_url="redis://a", service="checkout", attributes=SAME, surroundings=False)
    found = config.identity(os.environ, "0")
    assert found.keys() - {PID, STARTED, AGENT} == {*SAME, "service.name"}
