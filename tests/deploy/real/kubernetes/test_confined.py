"""Each driver brings windows of another user's process under the rights that the chart gives, with
a read-only root file system and no new privileges. This is no container: seccomp, AppArmor and the
pod's own namespaces are not tried."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.real.kubernetes.chart import LEAST, container, render, with_
from host.processes import BUSY, compiled_c, compiled_java
from host.receiver import receiving
from servers import NETWORKS, RedisServer, eventually
from upshift_agent.contract import Keys, decode_status

pytestmark = pytest.mark.servers("bpftrace", "cc", "javac", "unshare", NETWORKS)

AS_NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
#: This Python may be in a folder that nobody else may enter.
BECOMES_NOBODY = (
    "import os, pkgutil, runpy, sys, threading;"
    "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)
#: py-spy is beside this Python.
PROGRAMS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
METHODS = {"bpftrace": "ebpf", "py-spy": "push", "jfr": "push"}


@contextmanager
def busy(driver: str, folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o755)
    if driver == "py-spy":
        command = [sys.executable, "-I", "-S", "-c", BECOMES_NOBODY, str(BUSY / "busy.py")]
    elif driver == "jfr":
        compiled_java(folder)
        command = [*AS_NOBODY, "java", "-Xmx64m", "-cp", "/proc/self/cwd", "Busy"]
    else:
        compiled_c(folder)
        command = [*AS_NOBODY, "/proc/self/cwd/busy-c"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "OTEL_SERVICE_NAME": "till"},
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
            yield
        finally:
            process.kill()


def confined(driver: str) -> list[str]:
    """What starts a program as the chart's container is."""
    manifests = render(with_(LEAST, "hostAgent.drivers", [driver]))
    context = container(manifests, "DaemonSet", "upshift-host")["securityContext"]
    assert context["readOnlyRootFilesystem"]
    assert context["allowPrivilegeEscalation"] is False
    rights = ",".join(["-all", *(f"+{it.lower()}" for it in context["capabilities"]["add"])])
    # /tmp is the pod's own in the chart, too.
    mounts = "mount --bind /tmp /tmp && mount -o remount,bind,ro / && ! touch /here"
    setpriv = f"exec setpriv --bounding-set {rights} --inh-caps -all --no-new-privs"
    return ["unshare", "-m", "sh", "-c", f'{mounts} 2>/dev/null && {setpriv} "$@"', "sh"]


@pytest.mark.parametrize("driver", METHODS)
def test_a_driver_works_under_the_charts_rights(
    driver: str, tmp_path: Path, valkey: RedisServer
) -> None:
    def applied() -> bool:
        with valkey.client() as client:
            told = client.hvals(Keys().agents("service/till"))
        found = [decode_status(it) for it in told]
        hz = {it.applied and it.applied.profiles["cpu"].hz for it in found}
        assert hz == {97}, [(it.driver, it.error) for it in found]
        return True

    config = tmp_path / "agent.yaml"
    with receiving() as receiver, busy(driver, tmp_path / "busy"):
        config.write_text(
            f"redis: {valkey.url}\npyroscope: {{url: '{receiver.url}'}}\nbaseline: 97\n"
            f"select: [service_name=till]\n"
            f"fallback_strategy: [{{method: {METHODS[driver]}, priority: 1}}]\n"
        )
        command = [sys.executable, "-m", "upshift_host", "run", "--config", str(config)]
        with subprocess.Popen(
            [*confined(driver), *command],
            env=os.environ | {"PATH": PROGRAMS, "PYTHONDONTWRITEBYTECODE": "1"},
            stderr=subprocess.PIPE,
            text=True,
        ) as agent:
            try:
                eventually(applied, within_s=40)
                receiver.wait_for(1, within_s=30)
            finally:
                agent.send_signal(signal.SIGTERM)
                try:
                    _, errors = agent.communicate(timeout=30)
                finally:
                    agent.kill()
        windows = receiver.ingested()
        assert {it.labels["service_name"] for it in windows} == {"till"}, errors
        assert {it.profiler for it in windows} == {driver}
        assert sum(it.samples for it in windows) > 20
