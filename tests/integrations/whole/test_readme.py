"""What the page tells its reader to do, done: these commands, and no others."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pytest

from host.processes import named
from integrations.whole.three import DRIVERS, NEEDS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "agents-sdk/host/README.md"
LINE = re.compile(
    r"^\S+ +(?P<service>\w+) +(?P<driver>\S+) +(?P<hz>\d+) Hz .* samples$", re.MULTILINE
)


def commands(folder: Path) -> str:
    """All but the installation, in this folder in place of the page's."""
    section = re.search(r"(?ms)^## See it$(.*?)^## ", PAGE.read_text())
    assert section is not None
    install, *run = re.findall(r"(?ms)^```sh\n(.*?)^```$", section[1])
    assert "pip install" in install
    return "".join(run).replace("/tmp/proof", str(folder))


def test_agent_yaml_has_at_most_20_lines(tmp_path: Path) -> None:
    written = re.search(
        r"agent\.yaml <<END\n(.*?)^END$", commands(tmp_path), re.MULTILINE | re.DOTALL
    )
    assert written is not None
    assert len(written[1].splitlines()) <= 20


@pytest.mark.timeout(300)
@pytest.mark.servers(*NEEDS, "curl")
def test_its_commands_raise_one_after_the_other_and_each_comes_back(tmp_path: Path) -> None:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    # Its ports are of a network of its own, where nobody else listens.
    begin = "ip link set lo up; readlink /proc/self/ns/net\n"
    script = tmp_path / "commands"  # their text is in nobody's command line
    script.write_text(begin + commands(tmp_path) + "wait\n")
    alone = ["unshare", "--net", "bash", script]
    shell = subprocess.Popen(
        alone,
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        printed, complaints = shell.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)  # what it has in the background
    logs = "".join((tmp_path / it).read_text() for it in ("upshift.log", "agent.log"))
    windows = [it.groupdict() for it in LINE.finditer(printed)]
    seen = [it for it in windows if it["service"] in DRIVERS]  # others may run on this host
    assert {it["service"]: it["driver"] for it in seen} == DRIVERS, complaints + logs
    for service in DRIVERS:
        of_one = [it["hz"] for it in seen if it["service"] == service]
        assert [hz for hz, _ in groupby(of_one)] == ["19", "100", "19"], printed
    assert "Traceback" not in logs
    network = printed.splitlines()[0]
    assert not named("bpftrace", network) | named("py-spy", network)
