"""Processes come and go, and each has an agent for as long as it is there."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from host.running.conftest import StartHost, StartProcess
from servers import RedisServer, eventually, free_port
from upshift_agent.testing import FakeController

#: An application with an agent of its own, until it is told to stop it.
EMBEDDED = """
import signal, sys, time
from upshift_agent import Agent
agent = Agent.from_env(driver=lambda decision: None)
agent.start()
while not agent.connected:
    time.sleep(0.01)
signal.signal(signal.SIGUSR1, lambda *_: agent.stop())
print(flush=True)
while True:
    time.sleep(1)
"""
#: One that starts its agent when it is told to.
LATE = """
import signal, time
from upshift_agent import Agent
agent = Agent.from_env(driver=lambda decision: None)
signal.signal(signal.SIGUSR1, lambda *_: agent.start())
print(flush=True)
while True:
    time.sleep(1)
"""
FORKING = """
import os, time
for _ in range(2):
    if not os.fork():
        break
else:
    print(flush=True)
time.sleep(600)
"""


def test_a_process_has_an_agent_within_5_s_and_none_5_s_after_its_end(
    host: StartHost, process: StartProcess
) -> None:
    running = host("checkout")
    first = process("checkout")
    running.until(5.0, checkout=[19])
    eventually(lambda: len(running.statuses("service/checkout")) == 1)
    first.kill()
    first.wait()
    running.until(5.0)
    eventually(lambda: running.statuses("service/checkout") == [])


def test_a_boost_raises_the_workload_that_it_names_and_no_other(
    host: StartHost, process: StartProcess, controller: FakeController
) -> None:
    running = host("checkout", "cart")
    process("checkout")
    process("cart")
    running.until(checkout=[19], cart=[19])
    controller.boost("service/checkout", hz=100, for_s=6)
    running.until(checkout=[100], cart=[19])
    running.until(12.0, checkout=[19], cart=[19])


def test_a_cap_on_the_node_stops_every_workload_on_it_whatever_that_says_of_itself(
    host: StartHost, process: StartProcess, controller: FakeController
) -> None:
    running = host("checkout", "cart")
    process("checkout")
    elsewhere = "k8s.pod.name=mine,k8s.node.name=elsewhere,host.name=elsewhere"
    process("cart", OTEL_SERVICE_NAME="cart", OTEL_RESOURCE_ATTRIBUTES=elsewhere)
    running.until(checkout=[19], cart=[19])
    cap = controller.add("node/worker-3", "cap", hz=0, for_s=60)
    running.until()  # at 0 nothing is left to run
    controller.release("node/worker-3", cap)
    running.until(checkout=[19], cart=[19])


def test_the_status_says_who_it_is_and_how_it_is_profiled(
    host: StartHost, process: StartProcess
) -> None:
    running = host("checkout", more="attributes: {k8s.cluster.name: eu-1}\n")
    process("checkout")
    status = eventually(lambda: next(iter(running.statuses("service/checkout")), None))
    assert status.driver == "remembering"
    said = status.attributes
    assert said["host.name"] == "worker-3"
    assert said["k8s.cluster.name"] == "eu-1"
    assert said["service.instance.id"].startswith("worker-3-")


def test_the_node_has_an_agent_of_its_own(host: StartHost) -> None:
    running = host("checkout")
    status = eventually(lambda: next(iter(running.statuses("node/worker-3")), None))
    assert status.attributes["host.name"] == "worker-3"


def test_workers_that_come_and_go_are_the_same_workload(
    host: StartHost, process: StartProcess
) -> None:
    running = host("checkout")
    process("checkout", FORKING)
    running.until(checkout=[19])
    eventually(lambda: len(running.kind.made[-1].workload.processes) == 3)
    worker = running.kind.made[-1].workload.processes[-1]
    os.kill(worker.pid, signal.SIGKILL)
    eventually(lambda: len(running.kind.made[-1].workload.processes) == 2)
    running.until(checkout=[19])
    assert len(running.statuses("service/checkout")) == 1


def test_a_process_with_an_agent_of_its_own_is_left_alone_until_that_one_stops(
    host: StartHost, process: StartProcess, valkey: RedisServer
) -> None:
    embedded = process(
        "checkout", EMBEDDED, UPSHIFT_REDIS_URL=valkey.url, OTEL_SERVICE_NAME="checkout"
    )
    running = host("checkout", "cart")
    process("cart")
    running.until(cart=[19])
    assert [it.workload.attributes["service.name"] for it in running.kind.made] == ["cart"]
    embedded.send_signal(signal.SIGUSR1)
    running.until(12.0, cart=[19], checkout=[19])


def test_an_agent_that_comes_late_takes_its_process_over(
    host: StartHost, process: StartProcess, valkey: RedisServer
) -> None:
    running = host("checkout")
    environ = {"UPSHIFT_REDIS_URL": valkey.url, "OTEL_SERVICE_NAME": "checkout"}
    late = process("checkout", LATE, **environ)
    running.until(checkout=[19])
    late.send_signal(signal.SIGUSR1)
    running.until(15.0)


def test_without_redis_each_workload_is_at_the_baseline(
    host: StartHost, process: StartProcess
) -> None:
    running = host("checkout", redis=f"redis://127.0.0.1:{free_port()}", more="baseline: 49\n")
    process("checkout")
    running.until(6.0, checkout=[49])


def test_at_the_end_every_driver_is_closed_and_every_status_taken_back(
    host: StartHost, process: StartProcess
) -> None:
    running = host("checkout", "cart")
    process("checkout")
    process("cart")
    running.until(checkout=[19], cart=[19])
    eventually(lambda: running.statuses("service/cart"))
    running.stop()
    assert running.kind.running() == {}
    for target in ("service/checkout", "service/cart", "node/worker-3"):
        assert running.statuses(target) == []


def test_a_look_that_fails_ends_nothing(
    host: StartHost, process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = host("checkout")
    process("checkout")
    running.until(checkout=[19])
    failed = threading.Event()

    def fails(*_: object) -> bool:
        failed.set()
        raise OSError("no procfs")

    with monkeypatch.context() as broken:
        broken.setattr(running.agent._discovery, "look", fails)
        second = process("checkout")
        assert failed.wait(5)
        assert running.kind.running() == {"checkout": [19]}
    running.until(checkout=[19, 19])
    second.kill()
    second.wait()
    running.until(checkout=[19])
