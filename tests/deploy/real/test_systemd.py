"""What systemd itself says of the units."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.table import ROOT
from servers import free_port, http_server

UNITS = ROOT / "deploy/systemd"
#: The most that `systemd-analyze security` may find exposed, of 10. The host agent looks into other
#: users' processes and runs profilers on them.
EXPOSED = {"upshift.service": 1.3, "upshift-agent.service": 6.5, "upshift-bridge@.service": 1.5}

pytestmark = pytest.mark.servers("systemd-analyze")


def test_these_are_all_the_units() -> None:
    assert {it.name for it in UNITS.iterdir()} == {*EXPOSED}


@pytest.mark.parametrize("unit", EXPOSED)
def test_systemd_finds_no_fault(unit: str, tmp_path: Path) -> None:
    program = tmp_path / "bin/upshift"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    shutil.copy(program, tmp_path / "bin/upshift-agent")
    copy = tmp_path / unit
    copy.write_text((UNITS / unit).read_text().replace("/opt/upshift/bin", str(program.parent)))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True
    )
    # It looks at the machine's other units, too.
    about_it = [line for line in said.stderr.splitlines() if unit in line or str(tmp_path) in line]
    assert about_it == []


@pytest.mark.parametrize(("unit", "most"), EXPOSED.items())
def test_little_is_exposed(unit: str, most: float) -> None:
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(UNITS / unit)],
        capture_output=True,
        text=True,
    )
    level = re.search(r"exposure level for \S+: ([\d.]+)", said.stdout)
    assert level is not None, said.stderr
    assert float(level[1]) <= most


#: What `MemoryDenyWriteExecute` and `NoNewPrivileges` ask of the kernel, before the program begins.
REFUSED = """
import ctypes, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(65, 1, 0, 0, 0) == 0, "PR_SET_MDWE"
assert prctl(38, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS"
os.execv(sys.executable, [sys.executable, "-m", "upshift_controller", *sys.argv[1:]])
"""


def test_the_controller_and_its_valkey_need_no_memory_that_is_written_and_executed(
    tmp_path: Path,
) -> None:
    port = free_port()
    serve = ["serve", "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{port}"]
    with http_server(tmp_path / "log", port, sys.executable, "-c", REFUSED, *serve) as served:
        served.get("/-/ready")  # a commit goes through
