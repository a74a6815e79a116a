"""Upshift's OpAMP bridge with the real supervisor and the real collector."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from controller.conftest import WEBHOOK, alert, notification
from host.bridges.process import BridgeProcess, applied, bridge, statuses
from integrations.bridges.supervisor import TEMPLATE, Supervisor, supervisor
from parts import BUILD
from servers import RedisServer, eventually, free_port, http_server
from upshift_agent.testing import FakeController

pytestmark = [
    pytest.mark.servers("go"),
    pytest.mark.usefixtures("built"),
    pytest.mark.timeout(900),  # the first time they are built
]
TARGET = "service/checkout"
GUIDE = Path(__file__).parents[3] / "agents-sdk/host/guides/opamp.md"
RULES = """
limits: {max_boosted_agents: unlimited}
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 6s}
"""


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


def until_said(valkey: RedisServer, driver: str) -> None:
    """By its only agent, with one of its next statuses."""
    eventually(lambda: statuses(valkey, TARGET)[-1].driver == driver, within_s=30)


def test_an_alert_is_in_the_collectors_effective_configuration_and_ends_there(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess
) -> None:
    made = start(stack, supervisor(tmp_path / "one", opamp.listens))
    port, rules = free_port(), tmp_path / "upshift.yaml"
    rules.write_text(RULES)
    serve = (sys.executable, "-m", "upshift_controller", "serve", "--redis", valkey.url)
    options = ("--listen", f"127.0.0.1:{port}", "--config", str(rules))
    controller = stack.enter_context(http_server(tmp_path / "controller", port, *serve, *options))
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=30)
    labels = {"alertname": "HighCPU", "service_name": "checkout"}
    body = json.dumps(notification(alert(labels, fingerprint="1"))).encode()
    request = urllib.request.Request(
        controller.url + WEBHOOK, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["counts"] == {"granted": 1}
    eventually(lambda: made.effective() == 100)
    eventually(lambda: applied(valkey, TARGET) == [100])
    assert len(made.collectors()) == 1  # it has reloaded, and not been started anew
    eventually(lambda: made.effective() == 19)
    eventually(lambda: applied(valkey, TARGET) == [19])
    (status,) = statuses(valkey, TARGET)
    assert status.attributes["host.name"] == "worker-3"
    assert status.attributes["service.version"] == "0.149.0"
    # What a supervisor says of it comes 5 s later, and changes nothing.
    until_said(valkey, "opamp: APPLIED, 19 in force")
    assert applied(valkey, TARGET) == [19]


def test_what_the_collector_cannot_run_with_is_a_refusal_and_the_former_is_put_back(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    made = start(stack, supervisor(tmp_path / "one", opamp.listens, most=50))
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=30)
    until_said(valkey, "opamp: APPLIED, 19 in force")
    controller.boost(TARGET, hz=100, for_s=60)
    (status,) = eventually(
        lambda: [it for it in statuses(valkey, TARGET) if it.state == "failed"], within_s=30
    )
    assert "the collector: " in status.error
    eventually(lambda: made.effective() == 19, within_s=30)
    # Another one, below what has ended it, is tried at once.
    controller.release(TARGET)
    controller.boost(TARGET, hz=49, for_s=60)
    eventually(lambda: applied(valkey, TARGET) == [49], within_s=60)
    assert made.effective() == 49
    metrics = opamp.metrics()
    assert metrics["upshift_bridge_opamp_failures_total"] >= 1


def test_a_killed_bridge_leaves_it_raised_and_its_next_start_sets_it_right(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    made = start(stack, supervisor(tmp_path / "one", opamp.listens))
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=30)
    lease = controller.boost(TARGET, hz=100, for_s=600)
    eventually(lambda: applied(valkey, TARGET) == [100])
    opamp.kill()
    controller.release(TARGET, lease)
    # It outlives even its supervisor, which has written it down.
    made.end()
    made.start(lambda: made.collectors())
    eventually(lambda: made.effective() == 100)
    opamp.start()
    eventually(lambda: made.effective() == 19, within_s=60)
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=60)


def test_a_bridge_that_comes_back_during_a_boost_tells_nobody_what_he_has(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    made = start(stack, supervisor(tmp_path / "one", opamp.listens))
    controller.boost(TARGET, hz=100, for_s=600)
    eventually(lambda: applied(valkey, TARGET) == [100], within_s=30)
    until_said(valkey, "opamp: APPLIED, 100 in force")
    (collector,) = made.collectors()
    opamp.kill()
    opamp.start()
    eventually(lambda: opamp.metrics()['upshift_bridge_agents{bridge="opamp",state="applied"}'])
    assert opamp.metrics()["upshift_bridge_opamp_pushed_total"] == 0
    assert (made.effective(), made.collectors()) == (100, [collector])


def test_a_bridge_that_ends_leaves_every_collector_at_its_baseline(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    made = start(stack, supervisor(tmp_path / "one", opamp.listens))
    controller.boost(TARGET, hz=100, for_s=600)
    eventually(lambda: made.effective() == 100, within_s=30)
    opamp.stop()
    eventually(lambda: made.effective() == 19)


def test_the_guides_supervisor_gets_in_and_follows_its_service(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, controller: FakeController
) -> None:
    (tmp_path / "token").write_text("0b1c-and-more\n")
    section = f"  token_file: {tmp_path}/token\n{TEMPLATE}"
    opamp = bridge("opamp", tmp_path / "bridge", valkey, section)
    opamp.start()
    stack.callback(opamp.stop)
    made = supervisor(tmp_path / "one", opamp.listens)
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    theirs = yaml.safe_load(next(it for it in blocks if it.startswith("server:")))
    ours = yaml.safe_load(made.settings.read_text())
    theirs["server"]["endpoint"] = ours["server"]["endpoint"]
    theirs["server"]["headers"]["Authorization"] = "Bearer 0b1c-and-more"
    theirs["storage"] = ours["storage"]
    theirs["agent"] |= {key: ours["agent"][key] for key in ("executable", "config_files")}
    made.settings.write_text(yaml.safe_dump(theirs))
    start(stack, made)
    controller.boost(TARGET, hz=100, for_s=600)
    eventually(lambda: applied(valkey, TARGET) == [100], within_s=60)
    assert made.effective() == 100


def test_the_kill_switch_reaches_a_collector_that_is_on_its_way_up(
    stack: ExitStack, tmp_path: Path, valkey: RedisServer, opamp: BridgeProcess,
    controller: FakeController,
) -> None:  # fmt: skip
    # Restarted at each change, by a supervisor that answers after 5 s.
    made = start(stack, supervisor(tmp_path / "one", opamp.listens, hup=False))
    eventually(lambda: applied(valkey, TARGET) == [19], within_s=30)
    controller.boost(TARGET, hz=100, for_s=600)
    controller.add("fleet", "cap", hz=0, for_s=600)
    eventually(lambda: made.effective() == 1)
    eventually(lambda: applied(valkey, TARGET) == [0], within_s=30)
