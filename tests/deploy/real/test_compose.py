"""compose.yaml: read by the real docker-compose, and as much of it as can be had really run."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.compose import STARTED, Stack, docker_compose, services, stack
from deploy.stack.images import NEEDS
from deploy.versions import output
from servers import eventually

pytestmark = pytest.mark.timeout(1_200)


def test_docker_compose_itself_takes_it(tmp_path: Path) -> None:
    said = output(str(docker_compose()), "-f", "deploy/compose.yaml", "config", "--format", "json")
    resolved = json.loads(said)["services"]
    assert resolved.keys() == services().keys()


def test_docker_compose_would_have_refused_a_slip(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text("services: {a: {image: b, helthcheck: {}}}")
    with pytest.raises(OSError, match="not allowed"):
        output(str(docker_compose()), "-f", str(wrong), "config")


@pytest.mark.servers(
    *NEEDS, "prometheus", "prometheus-alertmanager", "curl", "root, for networks of its own"
)
def test_an_alert_fires_by_itself_and_raises_the_demo_within_two_minutes(tmp_path: Path) -> None:
    with stack(tmp_path) as made, ExitStack() as exits:
        with made.service("first-start") as first:
            assert first.ended() == 0, first.log()
        began = time.monotonic()
        logs = {name: exits.enter_context(made.service(name)) for name in STARTED}
        try:
            boosted_s = eventually(lambda: _boosted_after(made, began), within_s=120, every_s=1)
            assert boosted_s <= 120
            eventually(lambda: 100 in _frequencies(made, "checkout"), within_s=60, every_s=1)
            _the_calm_one_stays_and_the_other_comes_back(made)
            health = made.network.ask("http://prometheus:9090/api/v1/targets")
            states = {it["labels"]["job"]: it["health"] for it in _targets(health)}
            assert states == {"upshift": "up", "demo": "up"}
            assert all(container.process.poll() is None for container in logs.values())
        except (AssertionError, OSError) as error:
            said = "\n".join(f"== {name}\n{it.log()[-1_500:]}" for name, it in logs.items())
            raise AssertionError(f"{error}\n{said}") from error
    assert not [name for name, it in logs.items() if "Traceback" in it.log()]


def _the_calm_one_stays_and_the_other_comes_back(made: Stack) -> None:
    """checkout's boost ends by itself, 2 minutes after the alert; cart has not moved."""
    eventually(lambda: _frequencies(made, "checkout")[-1] == 19, within_s=240, every_s=2)
    assert [hz for hz, _ in groupby(_frequencies(made, "checkout"))] == [19, 100, 19]
    assert {*_frequencies(made, "cart")} == {19}


def _targets(answer: str) -> list[dict[str, Any]]:
    return list(json.loads(answer)["data"]["activeTargets"])


def _boosted_after(made: Stack, began: float) -> float | None:
    """Seconds until checkout's agent had applied a boost."""
    token = (made.folder / "volumes/for-upshift/operator-token").read_text()
    asked = "http://upshift:9095/api/v1/targets/service/checkout"
    document = json.loads(made.network.ask(asked, "-H", f"Authorization: Bearer {token}"))
    applied = [it["applied"]["profiles"]["cpu"]["hz"] for it in document["agents"] if it["applied"]]
    return time.monotonic() - began if 100 in applied else None


def _frequencies(made: Stack, service: str) -> list[int]:
    """Of its profiles, in order of arrival."""
    seen = json.loads(made.network.ask("http://pyroscope:4040/seen"))
    return [round(it["hz"]) for it in seen if it["app"] == service]
