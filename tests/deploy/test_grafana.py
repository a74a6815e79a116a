"""The dashboard shows metrics that there are, by labels that they have, in PromQL that is right."""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from controller.command import agent
from deploy.grafana import ADDED, dashboard, queries
from deploy.table import ROOT
from servers import HttpServer, RedisServer, eventually, free_port, http_server, prometheus
from servers import redis_server as a_redis
from upshift_controller.metrics import Metrics
from upshift_host.drivers.tally import Counts as Windows
from upshift_host.profiles.export import Counts as Sent
from upshift_host.running.metrics import text as of_host

PROVISIONING = ROOT / "deploy/grafana/provisioning"
SCRAPE = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: upshift
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with a_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def controller(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServer]:
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve", "--redis", redis.url]
    folder = tmp_path_factory.mktemp("controller")
    with (
        http_server(folder, port, *command, "--listen", f"127.0.0.1:{port}") as server,
        agent(redis.url, "checkout"),
    ):
        eventually(lambda: 'upshift_agents{state="applied"} 1.0' in server.get("/metrics"))
        yield server


def known(text: str) -> dict[str, set[str]]:
    """Metric → the labels that its series have, as far as there are series."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for name in (family.name, f"{family.name}_total", f"{family.name}_bucket"):
            found.setdefault(name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def declared() -> dict[str, set[str]]:
    """Of what counts by labels, and has counted nothing yet."""
    counters = [it for it in vars(Metrics()).values() if hasattr(it, "_labelnames")]
    return {f"{it._name}_total": {*it._labelnames} for it in counters}


def test_every_metric_and_label_is_there(controller: HttpServer) -> None:
    of_hosts = of_host(
        1,
        Windows(brought={("a", "cpu"): 1}, missed={("a", "cpu"): 1}, lost={"a": 1}),
        Sent(sent=1, dropped=0, refused=0, queued=0),
    )
    there = known(controller.get("/metrics") + of_hosts)
    by_declaration = declared()
    asked = list(queries())
    assert len(asked) >= 40
    for query in asked:
        for name in query.metrics:
            assert name in there, f"{query.panel}: {name}"
        if query.metrics:
            labels = {
                label
                for name in query.metrics
                for label in there[name] | by_declaration.get(name, set())
            }
            assert query.labels - labels - ADDED == set(), query


@pytest.mark.servers("prometheus")
def test_every_query_is_promql_that_prometheus_answers(
    controller: HttpServer, tmp_path: Path
) -> None:
    def answer(query: str) -> object:
        return server.get("/api/v1/query?" + urllib.parse.urlencode({"query": query}))

    with prometheus(tmp_path / "prometheus", SCRAPE.format(port=controller.port)) as server:
        eventually(lambda: "checkout" in str(answer("upshift_service_requested_hertz")))
        for query in queries():
            said = answer(query.promql)
            assert isinstance(said, dict)
            assert said["status"] == "success", query
        shown = {it.panel for it in queries() if answer(it.promql)["data"]["result"]}  # type: ignore[index]  # a success
    assert {"Agents that live", "Average frequency", "All agents, summed", "Ready"} <= shown


def test_there_is_a_row_for_each_question() -> None:
    rows = [it["title"].split(",")[0] for it in dashboard()["panels"] if it["type"] == "row"]
    assert rows == ["Fleet", "Boosts", "Requested against applied", "Cost", "Refusals", "Health"]


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({it["id"] for it in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert max(x for x, _ in cells) < 24


def test_the_link_from_a_boost_opens_explore_at_the_service_and_time() -> None:
    (link,) = [
        link
        for panel in dashboard()["panels"]
        for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", [])
    ]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(link["url"]).query)
    (pane,) = json.loads(query["panes"][0]).values()
    assert pane["queries"][0]["labelSelector"] == '{service_name="${__field.labels.service}"}'
    assert pane["range"] == {"from": "${__from}", "to": "${__to}"}


def test_annotations_are_of_the_tag_that_the_controller_writes() -> None:
    from upshift_controller.notify.grafana import TAG

    boosts = dashboard()["annotations"]["list"][0]
    assert boosts["target"]["tags"] == [TAG]


def test_data_sources_are_those_that_dashboard_and_links_name() -> None:
    text = (PROVISIONING / "datasources/upshift.yaml").read_text()
    sources = {it["uid"]: it["type"] for it in yaml.safe_load(text)["datasources"]}
    variables = {it["query"] for it in dashboard()["templating"]["list"]}
    assert variables <= {*sources.values()}
    environment = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    given = environment["services"]["grafana"]["environment"]
    assert set(re.findall(r"\$(\w+)", text)) <= given.keys()
