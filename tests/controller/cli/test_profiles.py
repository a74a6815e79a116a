"""Kinds of profile on the command line: what is asked for, and what is to be seen of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from controller.command import Run, agent
from controller.conftest import Served, alert
from controller.test_serve import serve
from servers import RedisServer
from upshift_controller.cli.screen import text


def test_an_agents_other_profiles_are_seen_while_they_are_not_off(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "several", profiles=("cpu", "wall")) as driver:
        assert "wall" not in cli("status", "service/several").out
        boost = ("boost", "service/several", "--for", "1m", "--wait", "--profile")
        done = cli(*boost, "wall", "--hz", "49").out
        assert "wall of service/several is boosted to 49 Hz for 1m" in done
        assert re.search(r"✓ 1 agent runs wall at 49 Hz: boost/\w+", done)
        assert {profile: it.hz for profile, it in driver.applied[-1].items()} == {
            "cpu": 19,
            "wall": 49,
        }
        said = cli("status", "service/several").out
        assert re.search(r"\n✓ +\S+ +19 +19 .*\n +wall +49 +49 +– +boost/\w+", said)
        assert "If it can raise wall, that runs at 49 Hz: boost/" in said
        assert re.search(r"boost/\w+ +service/several +boost +wall 49 ", said)
        assert re.search(r"service/several +19, wall 49 +✓ 1/1", cli("status").out)
        history = cli("history", "service/several").out
        assert re.search(r"granted +wall 49 +1m  boost/\w+", history)


def test_what_no_agent_can_raise_is_granted_and_noted(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "unable"):
        boost = ("boost", "service/unable", "--hz", "4", "--for", "1m", "--profile", "heap")
        ended = cli(*boost)
        assert (ended.code, ended.err) == (
            0,
            "Note: no agent of service/unable can raise heap\n",
        )
        assert "heap of service/unable is boosted to 4 an hour" in ended.out
        waited = cli(*boost, "--wait")
        assert (waited.code, waited.err) == (
            1,
            "upshift: no agent of service/unable can raise heap\n",
        )
        assert re.search(r"boost +heap 4/h ", cli("status", "service/unable").out)


def test_a_cap_of_nothing_stops_every_profile_unless_it_names_one(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "stopped", profiles=("cpu", "wall")) as driver:

        def runs() -> dict[str, int]:
            return {profile: it.hz for profile, it in driver.applied[-1].items()}

        pin = ("pin", "service/stopped", "--for", "1m", "--wait", "--profile", "wall")
        cli(*pin, "--hz", "9")
        cap = ("cap", "service/stopped", "--hz", "0", "--for", "1m", "--wait")
        assert "wall profiling stops on service/stopped" in cli(*cap, "--profile", "wall").out
        assert runs() == {"cpu": 19, "wall": 0}
        assert ": profiling stops on service/stopped" in cli(*cap).out
        assert runs() == {"cpu": 0, "wall": 0}
        rows = cli("status", "service/stopped").out
        assert re.search(r"cap +wall 0 ", rows)
        assert re.search(r"cap +all 0 ", rows)


@pytest.mark.parametrize(
    ("verb", "profile", "known"),
    [("boost", "gpu", "heap"), ("pin", "all", "heap"), ("cap", "gpu", "all")],
)
def test_a_profile_that_there_is_not_is_misuse(
    offline: Run, verb: str, profile: str, known: str
) -> None:
    ended = offline(verb, "service/a", "--hz", "9", "--for", "1m", "--profile", profile)
    assert ended.code == 2
    said = f"must be cpu or wall or alloc or lock or heap{' or all' * (known == 'all')}"
    assert f"{said}, got '{profile}'" in ended.err


def test_explain_shows_a_rule_once_and_what_becomes_of_each_profile(
    tmp_path: Path, valkey: RedisServer, offline: Run
) -> None:
    config = tmp_path / "upshift.yaml"
    rule = "{trigger: high_cpu, profile: [cpu, heap], frequency: 99, duration: 10m}"
    config.write_text(f"sampling:\n  on_alert:\n  - {rule}\n")
    with serve(tmp_path, "--config", str(config), "--redis", valkey.url) as server:
        said = offline("explain", "-", "--url", server.url, stdin=json.dumps(alert()).encode()).out
    assert re.search(r"✓ +high_cpu \(cpu, heap\) +alertname is 'HighCPU'", said)
    assert re.search(r"granted +high_cpu +service/checkout +99 Hz for 10m", said)
    assert re.search(r"granted +high_cpu:heap +service/checkout +heap 99 an hour for 10m", said)
    assert "1 from " in server.log.read_text(), "one rule, for two profiles"


def shown(**hz: tuple[int, int]) -> list[str]:
    wanted: dict[str, Any] = {profile: {"hz": asked} for profile, (asked, _) in hz.items()}
    applied = {"profiles": {profile: {"hz": done} for profile, (_, done) in hz.items()}}
    return text.profiles({"requested": {"profiles": wanted}, "applied": applied})


def test_off_goes_without_saying_but_for_cpu_and_for_what_is_not_off_yet() -> None:
    assert shown(cpu=(19, 19), wall=(0, 0), lock=(0, 9), heap=(4, 0)) == ["cpu", "lock", "heap"]
    assert shown(cpu=(0, 0), wall=(0, 0)) == ["cpu"]
    assert shown(wall=(0, 0), heap=(0, 0)) == ["wall"], "an agent has a row"
    assert shown() == ["cpu"]
