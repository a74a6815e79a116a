"""`upshift replay --prometheus`, against a real one that remembers two days of alerts."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from controller.command import Run
from servers import eventually, prometheus
from upshift_controller.sources.past.prometheus import Connected, read_alerts
from upshift_rules.trials.past import Firing

pytest.importorskip("prometheus_api_client")

CONFIG = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
RULES = """
groups:
  - name: a
    rules:
      - {alert: HighCPU, expr: vector(1), labels: {service: checkout}}
"""
DAY_S = 24 * 3600


def remembered(end_s: int) -> list[Firing]:
    """Two days of alerts, which begin and end at whole minutes."""
    random, found = Random(1), []
    for service in ("checkout", "cart", "search"):
        at_s = end_s - 2 * DAY_S + 3600
        while (over_s := at_s + random.randrange(2, 60) * 60) < end_s - 3600:
            labels = {"alertname": random.choice(["HighCPU", "Other"]), "service": service}
            found.append(Firing(labels, at_s * 1000, over_s * 1000))
            at_s = over_s + random.randrange(10, 200) * 60
    return found


def blocks(firings: list[Firing], data: Path) -> None:
    """Write them as Prometheus would have."""
    lines = ["# TYPE ALERTS gauge"]
    for it in firings:
        labels = ",".join(f'{name}="{value}"' for name, value in it.labels.items())
        series = f'ALERTS{{{labels},alertstate="firing"}} 1'
        moments_s = range(it.starts_at_ms // 1000, (it.ends_at_ms or 0) // 1000, 60)
        lines += [f"{series} {at_s}" for at_s in moments_s]
    source = data.parent / "alerts.txt"
    source.write_text("\n".join([*lines, "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(source), str(data)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.servers("prometheus", "promtool")
def test_what_prometheus_remembers_is_replayed(
    offline: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    now_s = int(time.time()) // 60 * 60
    firings = remembered(now_s)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    blocks(firings, folder / "data")
    # What promtool writes has no staleness markers, as Prometheus' own rules have: without this an
    # alert would be seen for five minutes more.
    options = ["--query.lookback-delta=30s"]
    with prometheus(folder, CONFIG, *options) as server:
        found = read_alerts(Connected(server.url), now_s - 2 * DAY_S, now_s)
        key = str
        assert sorted(found, key=key) == sorted(firings, key=key)
        document = offline("replay", "--prometheus", server.url, "--since", "2d", "--json").json
        assert sum(document["rules"][0]["alerts"].values()) == len(firings)
        high_cpu = sum(it.labels["alertname"] == "HighCPU" for it in firings)
        assert document["rules"][0]["alerts"]["boosted"] == high_cpu > 10
        ended = offline("replay", "--prometheus", f"{server.url}/nowhere", "--since", "2d")
        assert ended.code == 1
        assert "404" in ended.err


@pytest.mark.servers("prometheus")
def test_an_alert_that_fires_now_has_not_resolved(tmp_path: Path) -> None:
    with prometheus(tmp_path / "prometheus", CONFIG, rules=RULES) as server:

        def fires() -> list[Firing]:
            end_s = int(time.time())
            return read_alerts(Connected(server.url), end_s - 60, end_s, 1)

        (found,) = eventually(fires, within_s=20)
        assert found.labels == {"alertname": "HighCPU", "service": "checkout"}
        assert found.ends_at_ms is None


def test_nobody_there_is_said_in_words(offline: Run) -> None:
    ended = offline("replay", "--prometheus", "http://127.0.0.1:1")
    assert ended.code == 1
    assert ended.err.startswith("upshift: Prometheus at http://127.0.0.1:1: ")
    assert "Traceback" not in ended.err
