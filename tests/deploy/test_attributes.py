"""Traces, profiles and Upshift call the same things by the same names."""

from __future__ import annotations

import re
from typing import Any

import yaml

from deploy.collector import FOLDER, configuration
from deploy.table import ROOT
from upshift_agent.attributes import SERVICE
from upshift_agent.contract import ENVIRONMENT, INSTANCE
from upshift_agent.drivers.pyroscope import TAGGED
from upshift_host.config.reading import load
from upshift_host.profiles.labels import label_name, labels

GRAFANA = ROOT / "deploy/grafana"
#: The guide's, with the older name of the environment.
GUIDES = {"service.name", "deployment.environment", "service.instance.id"}


def resource() -> list[dict[str, str]]:
    return list(configuration()["processors"]["resource"]["attributes"])


def tempo() -> dict[str, Any]:
    text = (GRAFANA / "provisioning/datasources/upshift.yaml").read_text()
    sources = {it["uid"]: it for it in yaml.safe_load(text)["datasources"]}
    found: dict[str, Any] = sources["tempo"]["jsonData"]["tracesToProfiles"]
    assert found["datasourceUid"] in sources
    return found


def test_the_collector_sets_the_guides_attributes_and_the_environments_name_of_now() -> None:
    assert {it["key"] for it in resource()} == GUIDES | {ENVIRONMENT}


def test_traces_and_profiles_go_through_one_resource_processor() -> None:
    pipelines = configuration()["service"]["pipelines"]
    assert pipelines.keys() == {"traces", "profiles"}
    assert all("resource" in it["processors"] for it in pipelines.values())


def test_both_names_of_the_environment_have_one_value_which_upshift_has_too() -> None:
    said = {it["value"] for it in resource() if it["key"].startswith("deployment.environment")}
    agent = load(FOLDER / "agent.yaml").document
    assert said == {agent.attributes[ENVIRONMENT]}


def test_grafana_looks_for_a_span_by_labels_that_upshift_writes_and_the_collector_sets() -> None:
    tags = {it["key"]: it["value"] for it in tempo()["tags"]}
    assert tags.keys() == {SERVICE, INSTANCE}
    assert tags.keys() < {it["key"] for it in resource()}
    assert tags.keys() < {*TAGGED}, "the SDK's"
    assert all(tags[it] == label_name(it) for it in tags), "as the host agent writes them"
    assert labels({SERVICE: "a", INSTANCE: "b"}).keys() == {*tags.values()}


def test_jaeger_looks_for_a_span_by_the_same_label() -> None:
    text = (GRAFANA / "jaeger-ui.json").read_text()
    assert f"{label_name(INSTANCE)}%3D%5C%22#{{{INSTANCE}}}" in text
    assert re.search(rf'"key": "{re.escape(INSTANCE)}"', text)


def test_the_collectors_receiver_is_the_one_that_the_host_agent_drives() -> None:
    document = yaml.safe_load((FOLDER / "agent.yaml").read_text())
    (file,) = document["files"]
    assert file["receiver"] in configuration()["receivers"]
    assert file["receiver"] in configuration()["service"]["pipelines"]["profiles"]["receivers"]
