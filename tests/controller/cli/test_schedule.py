"""`upshift schedule`: of a file, and of a controller."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.command import Run

TWO = """
sampling:
  schedules:
    - name: month_end
      cron: 30 2 29 2 *
      timezone: Europe/Berlin
      target: [service/billing, service/ledger]
      where: {deployment.environment.name: production}
      profile: [cpu, wall]
      frequency: 97
      duration: 45m
      jitter: 5m
    - {name: freeze, cron: 0 18 * * fri, target: fleet, kind: cap, frequency: 0, duration: 1d}
"""


@pytest.fixture
def two(tmp_path: Path) -> str:
    (file := tmp_path / "upshift.yaml").write_text(TWO)
    return str(file)


def test_a_file_is_shown_without_a_controller(offline: Run, two: str) -> None:
    said = offline("schedule", two, "--next", "1")
    assert said.code == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[0] == "SCHEDULE WHAT WHEN IN"
    assert lines[1].startswith("month_end boost cpu, wall 97 Hz for 45m, up to 5m later ")
    assert re.search(r" later \w{3} \d{4}-02-29 02:3\d \+01:00 \d", lines[1])
    assert lines[2:6] == [
        "service/billing, service/ledger",
        "only deployment.environment.name=production",
        "30 2 29 2 *, Europe/Berlin",
        "",
    ]
    assert re.match(r"freeze cap all 0 Hz for 1d Fri \S+ 18:00 \+00:00 ", lines[6])
    assert lines[-1].startswith("0 18 * * fri, UTC")


def test_for_programs_it_is_the_apis_answer(offline: Run, two: str) -> None:
    month_end, freeze = offline("schedule", two, "--json", "--next", "3").json["schedules"]
    assert [len(it["next"]) for it in (month_end, freeze)] == [3, 3]
    assert freeze["profiles"] == ["all"]
    assert month_end["duration_ms"] == 45 * 60_000


def test_a_controller_says_what_is_in_force(cli: Run) -> None:
    assert cli("schedule").out == "There are no schedules.\n"
    assert cli("schedule", "--json").json["schedules"] == []


def test_a_bad_file_is_told_as_check_does(offline: Run, tmp_path: Path) -> None:
    (file := tmp_path / "bad.yaml").write_text(TWO.replace("Europe/Berlin", "Berlin"))
    said = offline("schedule", str(file))
    assert said.code == 1
    assert f"{file}:6:17: timezone must be a time zone of IANA's" in said.err
    assert 'did you mean "Europe/Berlin"?' in said.err


def test_without_a_controller_it_says_so(offline: Run) -> None:
    assert offline("schedule").code == 3
