"""install, upgrade, rollback and uninstall, by the real helm at a real API server."""

from __future__ import annotations

import re
import shlex
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from deploy.real.kubernetes.chart import CHART, LEAST, TRIAL, Values, helm
from deploy.real.kubernetes.cluster import Cluster

Helm = Callable[..., CompletedProcess[str]]


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.namespace("released")


@pytest.fixture
def chart(tmp_path: Path) -> str:
    """Without `kubeVersion`: this server was built without knowing its own."""
    copy = shutil.copytree(CHART, tmp_path / "upshift")
    text = (copy / "Chart.yaml").read_text().splitlines(keepends=True)
    kept = [line for line in text if not line.startswith("kubeVersion")]
    assert len(kept) == len(text) - 1
    (copy / "Chart.yaml").write_text("".join(kept))
    return str(copy)


@pytest.fixture
def at(cluster: Cluster, namespace: str, tmp_path: Path) -> Helm:
    config = cluster.kubeconfig(tmp_path / "kubeconfig", namespace)

    def run(*arguments: str, values: Values | None = None) -> CompletedProcess[str]:
        return helm(*arguments, "--kubeconfig", str(config), "-n", namespace, values=values)

    return run


def secrets(cluster: Cluster, namespace: str) -> dict[str, dict[str, str]]:
    path = f"/api/v1/namespaces/{namespace}/secrets?labelSelector=app.kubernetes.io/instance"
    items: list[Any] = cluster.ask("GET", path).body["items"]
    return {
        it["metadata"]["name"]: {key: b64decode(data).decode() for key, data in it["data"].items()}
        for it in items
    }


def test_a_release_comes_changes_goes_back_and_leaves_nothing(
    at: Helm, chart: str, cluster: Cluster, namespace: str
) -> None:
    name = f"upshift-{namespace[-8:]}"
    done = at("install", name, chart, values=TRIAL)
    assert done.returncode == 0, done.stderr
    assert f"http://{name}.{namespace}.svc:9095/api/v1/webhook/alertmanager" in done.stdout
    label = f"app.kubernetes.io/instance={name}"
    there = cluster.labelled(label)
    for kind in ("deployments", "daemonsets", "clusterroles", "servicemonitors", "secrets"):
        assert any(it.startswith(f"{kind}/") for it in there), kind
    made = secrets(cluster, namespace)
    assert {len(it) for it in made[f"{name}-tokens"].values()} == {48}

    more = {**TRIAL, "controller": {"replicas": 3}, "prometheusRule": {"enabled": False}}
    done = at("upgrade", name, chart, values=more)
    assert done.returncode == 0, done.stderr
    assert secrets(cluster, namespace) == made, "what was made stays"
    after = cluster.labelled(label)
    assert set(there) - set(after) == {f"prometheusrules/{name}"}
    assert replicas(cluster, namespace, name) == 3

    done = at("upgrade", name, chart, values={**more, "controller": {"replicas": 10**9}})
    assert done.returncode == 1
    assert "'/controller/replicas': maximum" in done.stderr
    assert replicas(cluster, namespace, name) == 3

    assert at("rollback", name, "1").returncode == 0
    assert sorted(cluster.labelled(label)) == sorted(there)

    done = at("uninstall", name)
    assert done.returncode == 0, done.stderr
    assert cluster.labelled(label) == []
    left = cluster.ask("GET", f"/api/v1/namespaces/{namespace}/secrets").body["items"]
    assert left == []


def replicas(cluster: Cluster, namespace: str, name: str) -> int:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    found = cluster.ask("GET", path)
    return int(found.body["spec"]["replicas"]) if found.code == 200 else 0


def test_two_releases_are_beside_each_other_in_one_namespace_and_in_two(
    at: Helm, chart: str, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    other = cluster.namespace("released")
    config = str(cluster.kubeconfig(tmp_path / "other", other))
    assert at("install", "upshift", chart, values=LEAST).returncode == 0
    assert at("install", "second", chart, values=LEAST).returncode == 0
    elsewhere = ["--kubeconfig", config, "-n", other]
    done = helm("install", "upshift", chart, *elsewhere, values=LEAST)
    assert done.returncode == 0, done.stderr
    assert at("uninstall", "upshift").returncode == 0
    assert replicas(cluster, namespace, "second-upshift") == 2
    assert replicas(cluster, other, "upshift") == 2
    for gone in (at("uninstall", "second"), helm("uninstall", "upshift", *elsewhere)):
        assert gone.returncode == 0, gone.stderr
    roles = cluster.labelled("app.kubernetes.io/name=upshift-host")
    assert not [it for it in roles if namespace in it or other in it]


def test_the_pages_commands_do_what_it_says(
    at: Helm, chart: str, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    page = (CHART / "README.md").read_text()
    example = re.search(r"```yaml\n(redis:.*?)```", page, re.DOTALL)
    assert example is not None
    (tmp_path / "values.yaml").write_text(example[1])
    commands = re.findall(r"^helm (?:[^\n]*\\\n)*[^\n]*", page, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("\\\n", "").replace("REGISTRY", "registry.internal"))
        place = words.index("-n")
        assert words[place + 1] in ("upshift", "upshift-host")
        del words[place : place + 2]
        own = {"deploy/helm/upshift": chart, "values.yaml": str(tmp_path / "values.yaml")}
        done = at(*(own.get(it, it) for it in words[1:]))
        assert done.returncode == 0, (command, done.stderr)
        assert replicas(cluster, namespace, "upshift") == (
            0 if "controller.enabled" in command else 2
        )
    removing = re.search(r"`helm (uninstall \w+) -n upshift`", page)
    assert removing is not None
    assert at(*removing[1].split()).returncode == 0
    assert cluster.labelled("app.kubernetes.io/instance=upshift") == []
