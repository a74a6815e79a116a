"""The systemd unit says nothing that is not so."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.main import get_command

from upshift_host.cli.main import app
from upshift_host.cli.run import SEND_S
from upshift_host.config.reading import DEFAULT_FILES
from upshift_host.running.host import END_S, FILES_S

ROOT = Path(__file__).parents[2]
HOST = ROOT / "agents-sdk/host"


@pytest.fixture
def service() -> dict[str, str]:
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    unit.read(ROOT / "deploy/systemd/upshift-agent.service")
    return dict(unit["Service"])


def test_it_starts_the_command_with_a_verb_and_a_file_that_it_has(service: dict[str, str]) -> None:
    program, verb, *options = service["ExecStart"].split()
    scripts = tomllib.loads((HOST / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(program).name in scripts
    assert verb in get_command(app).commands  # type: ignore[attr-defined]  # a group
    assert options == ["--config", DEFAULT_FILES[-1]]
    assert str(Path(program).parent) in service["Environment"].split("=", 1)[1].split(":")


def test_it_waits_until_the_agent_has_ended_its_profilers_and_sent_what_they_saw(
    service: dict[str, str],
) -> None:
    assert int(service["TimeoutStopSec"]) > END_S + FILES_S + SEND_S
    assert service["KillMode"] == "mixed", "SIGTERM is for the agent alone"


def test_it_leaves_the_rights_that_the_page_says_something_needs_and_no_others(
    service: dict[str, str],
) -> None:
    needed = set(re.findall(r"CAP_[A-Z_]+", (HOST / "README.md").read_text()))
    assert set(service["CapabilityBoundingSet"].split()) == needed
