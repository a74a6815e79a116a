"""`upshift schedule`: of a file, and of a controller."""

from __future__ import annotations

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
    header, month_end, freeze = said.out.splitlines()
    assert header.split() == ["SCHEDULE", "WHAT", "TARGET", "CRON", "WHEN", "IN"]
    assert "boost cpu, wall 97 Hz, 45m, up to 5m later" in month_end
    assert "service/billing, service/ledger" in month_end
    assert "only deployment.environment.name=production" in month_end
    assert "30 2 29 2 *, Europe/Berlin" in month_end
    assert "-02-29 02:3" in month_end
    assert "cap all 0 Hz, 1d" in freeze
    assert " 18:00 +00:00" in freeze


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
