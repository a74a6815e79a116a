"""The images: how large, what is in them, and that they do their work with few rights."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.stack.containers import Container, Mount, Plan, running
from deploy.stack.images import NEEDS, Image, built
from deploy.table import ROOT
from host.receiver import receiving
from servers import eventually, redis_server

pytestmark = [
    pytest.mark.servers(*NEEDS, "ip", "root, for networks of its own"),
    pytest.mark.timeout(1_200),
]
MB = 1_000_000
#: Target → the most that its files may have, in bytes.
LARGEST = {"controller": 150 * MB, "host-agent": 400 * MB, "demo": 150 * MB}
#: What the host agent's image says that it needs, and no more.
HOST_RIGHTS = ("SYS_PTRACE", "BPF", "PERFMON")
#: Of this project, so in no lock.
OURS = {"upshift", "upshift_agent", "upshift_rules", "upshift_host"}


def size(root: Path) -> int:
    files = {(it.st_dev, it.st_ino): it.st_size for it in _stats(root)}
    return sum(files.values())


def _stats(root: Path) -> Iterator[os.stat_result]:
    for folder, _, files in os.walk(root):
        yield from (os.lstat(Path(folder, it)) for it in files)


@contextmanager
def container(
    image: Image, root: Path, folder: Path, *command: str, **plan: object
) -> Iterator[Container]:
    """As an engine runs it: its user, environment, entry point, and command if none is given."""
    config = image.config
    environment = dict(it.split("=", 1) for it in config["Env"])
    asked = Plan(
        name="container",
        root=root,
        args=[*(config.get("Entrypoint") or []), *(command or config.get("Cmd") or [])],
        user=config.get("User") or "0:0",
        environment=environment,
        cwd=config["WorkingDir"],
        **plan,  # type: ignore[arg-type]  # its other fields
    )
    with running(asked, folder) as started:
        yield started


def is_healthy(image: Image, started: Container) -> bool:
    """By the image's own health check."""
    how, *command = image.config["Healthcheck"]["Test"]
    assert how == "CMD"
    ended = started.run(*command)
    assert ended.returncode == 0, ended.stderr[-500:] + started.log()[-2_000:]
    return True


@pytest.mark.parametrize("target", LARGEST)
def test_it_is_small_and_has_no_shell_and_no_installer(target: str) -> None:
    with built(target).mounted() as root:
        assert size(root) < LARGEST[target]
        programs = {it.name for it in root.rglob("bin/*")} | {
            it.name for it in root.rglob("sbin/*")
        }
    assert not programs & {"sh", "bash", "dash", "busybox", "pip", "pip3", "apt", "apt-get", "dpkg"}


@pytest.mark.parametrize("target", LARGEST)
def test_what_is_installed_is_what_the_lock_says(target: str) -> None:
    lock = (ROOT / "deploy/requirements.lock").read_text()
    locked = {
        (name.lower().replace("-", "_"), version)
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE)
    }
    with built(target).mounted() as root:
        names = [it.name for it in root.glob("opt/upshift/lib/python3*/site-packages/*.dist-info")]
    found = {tuple(it.removesuffix(".dist-info").lower().split("-", 1)) for it in names}
    assert found
    assert {it for it in found if it[0] not in OURS} - locked == set()


@pytest.mark.parametrize("target", ["controller", "demo"])
def test_its_user_is_not_root_and_is_a_number(target: str) -> None:
    assert built(target).config["User"] == "10001:10001"


def test_the_controller_serves_on_a_read_only_root_without_any_right(tmp_path: Path) -> None:
    settings, data = tmp_path / "etc", tmp_path / "data"
    settings.mkdir()
    data.mkdir()
    os.chown(data, 10001, 10001)
    (settings / "token").write_text("a token of some length")
    (settings / "upshift.yaml").write_text(
        "tokens: [{name: ann, role: operator, file: token}]\ndata: /data\n"
    )
    for it in (tmp_path, *tmp_path.parents[:2], settings, *settings.iterdir()):
        it.chmod(it.stat().st_mode | 0o055)
    image = built("controller")
    mounts = [Mount(source=settings, at="/etc/upshift")]
    mounts.append(Mount(source=data, at="/data", read_only=False))
    asked = ("upshift", "boost", "service/checkout", "--hz", "100", "--for", "1m")
    with (
        image.mounted() as root,
        container(image, root, tmp_path / "runc", mounts=mounts) as started,
    ):
        eventually(lambda: is_healthy(image, started), within_s=60, every_s=1)
        boosted = started.run(*asked, "--token-file", "/etc/upshift/token")
        assert "is boosted to 100 Hz" in boosted.stdout, boosted.stderr
        status = started.run("upshift", "status", "--token-file", "/etc/upshift/token")
        assert "service/checkout" in status.stdout, "its own Valkey serves"
        written = started.run("python", "-c", "open('/opt/upshift/x', 'w')")
        assert "Read-only file system" in written.stderr
        rights = started.run("python", "-c", "print(open('/proc/self/status').read())").stdout
        assert re.search(r"CapEff:\s+0+\n", rights)
    assert "Traceback" not in started.log()


def test_with_a_shell_missing_every_verb_still_says_what_it_does(tmp_path: Path) -> None:
    image = built("controller")
    with image.mounted() as root:
        for verb in ("--help", "--version"):
            with container(image, root, tmp_path / "runc", verb, tmpfs=["/tmp"]) as started:
                assert started.ended() == 0
            assert "upshift" in started.log().lower()


def test_the_host_agent_profiles_other_containers_processes_with_three_rights(
    tmp_path: Path,
) -> None:
    image = built("host-agent")
    settings = tmp_path / "etc"
    settings.mkdir()
    busy = subprocess.Popen(
        [sys.executable, "-c", "print('busy', flush=True)\nwhile True: sum(range(1000))", "stock"],
        stdout=subprocess.PIPE,
    )
    try:
        assert busy.stdout is not None
        assert busy.stdout.readline()
        with (
            receiving() as receiver,
            redis_server(tmp_path / "redis") as redis,
            image.mounted() as root,
        ):
            (settings / "agent.yaml").write_text(
                f'redis: {redis.url}\npyroscope: {{url: "{receiver.url}"}}\n'
                "metrics: 127.0.0.1:9096\n"
                "discovery: {environment: false, containers: false, kubernetes: false}\n"
                "workloads: [{service: stock, command: '.*sum.range.1000.*stock'}]\n"
            )
            with container(
                image,
                root,
                tmp_path / "runc",
                mounts=[Mount(source=settings, at="/etc/upshift"), _sys()],
                tmpfs=["/tmp"],
                capabilities=HOST_RIGHTS,
                of_host=("pid", "network"),
            ) as started:
                doctor = started.run(
                    "upshift-agent", "doctor", "--config", "/etc/upshift/agent.yaml"
                )
                eventually(lambda: is_healthy(image, started), within_s=60, every_s=1)
                receiver.wait_for(2, within_s=60)
            assert "Traceback" not in started.log()
        window = receiver.ingested()[0]
        assert (window.labels["service_name"], window.hz) == ("stock", 19)
        assert window.profiler in ("bpftrace", "py-spy"), doctor.stdout
        assert window.samples > 0
    finally:
        busy.kill()
        busy.communicate()


def _sys() -> Mount:
    return Mount(source=Path("/sys"), at="/sys")
