"""What a real API server says to everything that the chart makes, and Pod Security to its pods."""

from __future__ import annotations

import pytest
import yaml

from deploy.real.kubernetes.chart import LEAST, MATRIX, PLAIN, TRIAL, Manifest, Values, render
from deploy.real.kubernetes.cluster import Cluster

#: Of a cluster that runs, and has these already.
NAMESPACE = "upshift"


@pytest.fixture(scope="module", autouse=True)
def namespace(cluster: Cluster) -> None:
    made = cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    assert made.code in (200, 201), made


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_every_manifest_is_accepted_tried_first_and_then_for_good(
    values: Values, cluster: Cluster
) -> None:
    manifests = render(values)
    for dry_run in (True, False):
        for manifest in manifests:
            answer = cluster.apply(manifest, dry_run=dry_run)
            assert answer.code in (200, 201), (manifest["kind"], answer.message)


def test_so_are_the_plain_manifests_and_the_snippets(cluster: Cluster) -> None:
    for path in PLAIN.glob("*.yaml"):
        if path.name != "values.yaml":
            for manifest in yaml.safe_load_all(path.read_text()):
                answer = cluster.apply(manifest, dry_run=True, namespace=NAMESPACE)
                assert answer.code in (200, 201), (path.name, answer.message)


def test_this_server_does_refuse_what_it_does_not_know(cluster: Cluster) -> None:
    (deployment,) = [it for it in render(LEAST) if it["kind"] == "Deployment"]
    deployment["spec"]["template"]["spec"]["hostPId"] = True
    answer = cluster.apply(deployment, dry_run=True)
    assert answer.code != 200
    assert "hostPId" in answer.message


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a controller manager would make of it."""
    template = manifest["spec"]["template"]
    meta = {**template["metadata"], "name": f"{manifest['metadata']['name']}-x"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def pods(name: str) -> Manifest:
    found = [it for it in render(TRIAL) if "template" in it.get("spec", {})]
    if name.startswith("zero-code"):
        found = [*yaml.safe_load_all((PLAIN / f"{name}.yaml").read_text())]
    (manifest,) = [
        it for it in found if name in (it["metadata"]["name"], "zero-code-python", "zero-code-java")
    ]
    return pod_of(manifest)


def tried(cluster: Cluster, pod: Manifest, level: str) -> tuple[int, str]:
    """What Pod Security says, where this level is enforced."""
    namespace = cluster.namespace("secured", level)
    account = pod["spec"].setdefault("serviceAccountName", "default")
    made = cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": namespace},
        }
    )
    assert made.code in (200, 201), made
    answer = cluster.ask("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    return answer.code, answer.message


@pytest.mark.parametrize(
    "name", ["upshift", "upshift-valkey", "zero-code-python", "zero-code-java"]
)
def test_a_pod_is_made_where_pod_security_is_restricted(name: str, cluster: Cluster) -> None:
    assert tried(cluster, pods(name), "restricted") == (201, "")


def test_controllers_and_host_agents_may_be_releases_of_their_own() -> None:
    pods_of = {
        name: {it["kind"] for it in render(MATRIX[name]) if "template" in it.get("spec", {})}
        for name in MATRIX
    }
    assert pods_of["without the host agent"] == {"Deployment"}
    assert pods_of["without the controller"] == {"DaemonSet"}


def test_the_host_agents_pod_is_made_where_pod_security_is_privileged_only(
    cluster: Cluster,
) -> None:
    code, said = tried(cluster, pods("upshift-host"), "baseline")
    assert code == 403
    for reason in ("host namespaces (hostPID=true)", "non-default capabilities"):
        assert reason in said
    assert "privileged (" not in said
    assert "hostPath" not in said
    assert tried(cluster, pods("upshift-host"), "privileged") == (201, "")
