"""What helm makes of values: for several versions of Kubernetes, and for what the programs read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.real.kubernetes.chart import (
    LEAST,
    MATRIX,
    OWN,
    PLAIN,
    ROOT,
    TRIAL,
    Values,
    container,
    one,
    render,
    template,
    with_,
)
from upshift_host.drivers.kinds import KINDS

#: The oldest that the chart takes, one between, the newest.
VERSIONS = ("1.30", "1.34", "1.37")
#: Of Prometheus' operator, whose schemas are not here.
OPERATORS = "monitoring.coreos.com/"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_every_manifest_is_what_kubernetes_takes(values: Values, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    checked = 0
    for manifest in render(values):
        if not manifest["apiVersion"].startswith(OPERATORS):
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("snippet", ["zero-code-java.yaml", "zero-code-python.yaml"])
def test_so_is_every_snippet(snippet: str, version: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for manifest in yaml.safe_load_all((PLAIN / snippet).read_text()):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_plain_manifests_are_what_helm_makes() -> None:
    values = yaml.safe_load((PLAIN / "values.yaml").read_text())
    done = template(values)
    assert (PLAIN / "upshift.yaml").read_text() == done.stdout, (
        "render them anew, as deploy/kubernetes/values.yaml says"
    )


def test_a_long_name_and_one_with_dots_make_names_that_are_told_apart() -> None:
    for name in ("a" * 53, "a.b"):
        names = [(it["kind"], it["metadata"]["name"]) for it in render(TRIAL, name=name)]
        assert len(set(names)) == len(names)
        assert max(len(it) for _, it in names if "cluster" not in _.lower()) <= 63


def added(values: Values) -> set[str]:
    context = container(render(values), "DaemonSet", "upshift-host")["securityContext"]
    assert not context["privileged"]
    return set(context["capabilities"]["add"])


def test_each_driver_gets_the_capabilities_that_its_page_says_and_no_other() -> None:
    page = (ROOT / "agents-sdk/host/DRIVERS.md").read_text()
    rows = [line.split("|") for line in page.partition("| rights, for")[2].splitlines()]
    needs = {
        name: {it.strip(" `,;") for it in row[2].split(";")[0].split()}
        for row in rows
        if len(row) > 2
        for name in row[1].replace("`", "").replace(" ", "").split(",")
        if name in KINDS
    }
    assert needs.keys() == KINDS.keys()
    own = {"SYS_PTRACE", "DAC_READ_SEARCH"}
    for driver, rights in needs.items():
        named = {it.removeprefix("CAP_") for it in rights if it.startswith("CAP_")}
        values = with_(LEAST, "hostAgent.drivers", [driver])
        assert added(values) == named | own, driver
    assert added(with_(LEAST, "hostAgent.drivers", [])) == own
    assert added(with_(LEAST, "hostAgent.capabilities", ["SYS_RESOURCE"])) >= {"SYS_RESOURCE"}


def test_what_a_user_says_is_in_the_files_as_he_said_it(tmp_path: Path) -> None:
    manifests = render(OWN)
    said = yaml.safe_load(one(manifests, "ConfigMap", "profiling")["data"]["upshift.yaml"])
    assert said["limits"] == OWN["controller"]["config"]["limits"]
    assert said["sampling"] == OWN["controller"]["config"]["sampling"]
    assert said["tokens"][0]["name"] == OWN["tokens"]["list"][0]["name"]
    assert said["namespace"] == "shop"
    pod = one(manifests, "Deployment", "profiling")["spec"]["template"]
    note = OWN["controller"]["podAnnotations"]["note"]
    assert pod["metadata"]["annotations"]["note"] == note
    probe = container(manifests, "Deployment", "profiling")["readinessProbe"]["httpGet"]
    assert (probe["path"], probe["scheme"]) == ("/-/ready", "HTTPS")
    assert not [it for it in manifests if it["kind"].startswith("ClusterRole")]
    host = one(manifests, "DaemonSet", "profiling-host")["spec"]["template"]["spec"]
    assert host["automountServiceAccountToken"] is False
