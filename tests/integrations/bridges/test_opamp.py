"""Upshift's OpAMP bridge with the real supervisor and the real collector."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from host.bridges.process import BridgeProcess, applied, bridge, statuses
from integrations.bridges.supervisor import TEMPLATE, Supervisor, supervisor
from parts import BUILD
from servers import RedisServer, eventually
from upshift_agent.testing import FakeController

pytestmark = [
    pytest.mark.servers("go"),
    pytest.mark.usefixtures("built"),
    pytest.mark.timeout(900),  # the first time they are built
]
TARGET = "service/checkout"


@pytest.fixture(scope="session")
def built() -> None:
    subprocess.run(["sh", BUILD, "opampsupervisor", "otelcol-opamp"], check=True)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.fixture
def opamp(stack: ExitStack, tmp_path: Path, valkey: RedisServer) -> BridgeProcess:
    made = bridge("opamp", tmp_path / "bridge", valkey, TEMPLATE)
    made.start()
    stack.callback(made.stop)
    return made


def start(stack: ExitStack, made: Supervisor) -> Supervisor:
    stack.callback(made.end)
    made.start(lambda: made.collectors())
    return made


def test_a_boost_is_in_the_collectors_effective_configuration_and_ends_there(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    made = start(stack, supervisor(tmp_path / "one", opamp.listens))
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=30)
    began = time.monotonic()
    controller.boost(TARGET, hz=100, for_s=6)
    eventually(lambda: made.effective() == 100, within_s=5, every_s=0.002)
    print("effective after", time.monotonic() - began)
    eventually(lambda: applied(valkey, TARGET) == [100], within_s=10, every_s=0.002)
    print("applied after", time.monotonic() - began)
    eventually(lambda: made.effective() == 19, within_s=10)
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=10)
    print(statuses(valkey, TARGET))
    print(opamp.said())
    print(made.said()[-3000:])
