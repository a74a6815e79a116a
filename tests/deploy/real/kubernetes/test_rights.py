"""What the chart's service accounts may do: what discovery asks, by its own code, no more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.real.kubernetes.chart import LEAST, Manifest, render
from deploy.real.kubernetes.cluster import Cluster
from servers import eventually
from upshift_host.discovery.naming import kubernetes

CONTAINER = "c0" * 32


@dataclass
class Released:
    """The least chart, in a namespace of its own."""

    cluster: Cluster
    namespace: str

    def token(self, account: str) -> str:
        return self.cluster.token_of(self.namespace, account)


@pytest.fixture(scope="module")
def released(cluster: Cluster) -> Released:
    namespace = cluster.namespace("rights")
    for manifest in render(LEAST):
        in_namespace(manifest, namespace)
        made = cluster.apply(manifest)
        assert made.code in (200, 201), made
    return Released(cluster, namespace)


def in_namespace(manifest: Manifest, namespace: str) -> None:
    if "namespace" in manifest["metadata"]:
        manifest["metadata"]["namespace"] = namespace
    for subject in manifest.get("subjects", ()):
        subject["namespace"] = namespace


def account_folder(folder: Path, released: Released, account: str) -> Path:
    """As it is mounted into the pod."""
    (folder / "token").write_text(released.token(account))
    (folder / "ca.crt").write_bytes(released.cluster.ca_file.read_bytes())
    return folder


def pod(released: Released, name: str, node: str, container: str) -> None:
    """One that runs, as a kubelet would say."""
    path = f"/api/v1/namespaces/{released.namespace}/pods"
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/version": "1.4.2"}
    made = released.cluster.ask(
        "POST",
        path,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "nodeName": node,
                "serviceAccountName": "upshift",
                "containers": [{"name": "app", "image": "app"}],
            },
        },
    )
    assert made.code == 201, made
    status = {
        "name": "app",
        "image": "app",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
        "containerID": f"containerd://{container}",
    }
    told = released.cluster.ask(
        "PATCH",
        f"{path}/{name}/status",
        {"status": {"containerStatuses": [status]}},
        content="application/merge-patch+json",
    )
    assert told.code == 200, told


def test_discovery_names_the_containers_of_its_node_by_a_real_api_server(
    released: Released, tmp_path: Path
) -> None:
    pod(released, "checkout", "worker-3", CONTAINER)
    pod(released, "cart", "worker-4", "ca" * 32)
    folder = account_folder(tmp_path, released, "upshift-host")
    found = kubernetes.ask(released.cluster.url, "worker-3", folder)
    uid = found[CONTAINER].pop("k8s.pod.uid")
    assert len(uid) == 36
    assert found == {
        CONTAINER: {
            "service.name": "checkout",
            "service.version": "1.4.2",
            "k8s.pod.name": "checkout",
            "k8s.namespace.name": released.namespace,
            "k8s.container.name": "app",
        }
    }


def test_an_account_without_the_right_is_an_error_that_discovery_survives(
    released: Released, tmp_path: Path
) -> None:
    folder = account_folder(tmp_path, released, "upshift")
    with pytest.raises(OSError, match="403: Forbidden"):
        kubernetes.ask(released.cluster.url, "worker-3", folder)


def may(cluster: Cluster, namespace: str, account: str) -> set[tuple[str, str, str]]:
    """Verb, group, resource: of every verb that the API has on every resource and subresource, in
    the account's own namespace and in all."""
    token = cluster.token_of(namespace, account)
    allowed = set()
    for version, found in cluster.resources():
        group = "" if version == "v1" else version.rpartition("/")[0]
        resource, _, below = found["name"].partition("/")
        for verb in found["verbs"]:
            for where in (namespace, "") if found["namespaced"] else ("",):
                asked = {
                    "verb": verb,
                    "group": group,
                    "resource": resource,
                    "subresource": below,
                    "namespace": where,
                }
                review = cluster.ask(
                    "POST",
                    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                    {
                        "apiVersion": "authorization.k8s.io/v1",
                        "kind": "SelfSubjectAccessReview",
                        "spec": {"resourceAttributes": asked},
                    },
                    token=token,
                )
                assert review.code == 201, review
                if review.body["status"]["allowed"]:
                    allowed.add((verb, group, found["name"]))
    return allowed


@pytest.fixture(scope="module")
def anybodys(cluster: Cluster) -> set[tuple[str, str, str]]:
    """What Kubernetes lets every service account do."""
    namespace = cluster.namespace("anybody")
    meta = {"name": "anybody", "namespace": namespace}
    made = cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    assert made.code == 201, made
    return may(cluster, namespace, "anybody")


@pytest.mark.parametrize(
    ("account", "more"), [("upshift", set()), ("upshift-host", {("list", "", "pods")})]
)
def test_an_account_may_what_every_account_may_and_the_host_agents_lists_pods(
    account: str,
    more: set[tuple[str, str, str]],
    anybodys: set[tuple[str, str, str]],
    released: Released,
) -> None:
    assert len(anybodys) < 12
    assert ("list", "", "pods") not in anybodys
    assert may(released.cluster, released.namespace, account) == anybodys | more


def test_real_calls_are_refused_likewise(
    released: Released, anybodys: set[tuple[str, str, str]]
) -> None:
    token = released.token("upshift-host")
    cluster = released.cluster

    def code(method: str, path: str, body: Manifest | None = None) -> int:
        return cluster.ask(method, path, body, token=token).code

    listed = {
        kind.plural
        for kind in cluster.kinds().values()
        if "list" in kind.verbs and code("GET", kind.of(None)) != 403
    }
    assert listed - {it for _, _, it in anybodys} == {"pods"}
    pods = f"/api/v1/namespaces/{released.namespace}/pods"
    assert code("GET", pods) == 200
    assert code("GET", f"{pods}?watch=1") == 403
    assert code("GET", f"{pods}/checkout") == 403
    assert code("GET", f"{pods}/checkout/log") == 403
    assert code("POST", f"{pods}/checkout/exec?command=id") == 403
    assert code("DELETE", f"{pods}/checkout") == 403
    assert code("DELETE", pods) == 403
    assert code("POST", pods, {"apiVersion": "v1", "kind": "Pod"}) == 403
    secrets = f"/api/v1/namespaces/{released.namespace}/secrets"
    assert code("GET", secrets) == 403
    assert code("GET", f"{secrets}/tokens") == 403
    assert code("GET", "/api/v1/nodes/worker-3/proxy/pods") == 403
    account = f"/api/v1/namespaces/{released.namespace}/serviceaccounts/upshift-host/token"
    assert code("POST", account, {}) == 403
    assert cluster.ask("GET", secrets, token="nonsense").code == 401


def test_without_the_binding_nothing_is_left(released: Released) -> None:
    cluster = released.cluster
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/upshift-upshift-host"
    binding = cluster.ask("GET", path).body
    token = released.token("upshift-host")
    assert cluster.ask("GET", "/api/v1/pods", token=token).code == 200
    assert cluster.ask("DELETE", path).code == 200
    try:
        # The server hears of the change by a watch of its own.
        eventually(lambda: cluster.ask("GET", "/api/v1/pods", token=token).code == 403)
    finally:
        binding["metadata"] = {"name": binding["metadata"]["name"]}
        cluster.ask("POST", path.rpartition("/")[0], binding)
