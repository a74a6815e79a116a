"""`upshift replay`: alerts of the past in, what rules would have done out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.command import Run, agent
from controller.conftest import Served

RULES = "sampling: {on_alert: [{trigger: high_cpu, frequency: 99, duration: 5m}]}\n"


def alert(at: str, status: str = "firing", name: str = "HighCPU", **labels: str) -> dict[str, Any]:
    """at: when it began, or by its status has resolved, `HH:MM`."""
    moment = f"2026-01-31T{at}:00Z"
    return {
        "status": status,
        "labels": {"alertname": name, "service": "checkout", **labels},
        "startsAt": "2026-01-31T12:00:00Z" if status == "resolved" else moment,
        "endsAt": moment if status == "resolved" else "0001-01-01T00:00:00Z",
        "fingerprint": f"{name}{labels}",
    }


def webhook(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {"version": "4", "status": "firing", "receiver": "upshift", "alerts": list(alerts)}


PAST = [
    webhook(alert("12:00")),
    webhook(alert("12:01", name="DiskFull")),
    webhook(alert("12:20", "resolved")),
    webhook(alert("12:30", service="cart"), alert("12:30", service="search")),
    webhook(alert("13:00", name="HighLatency")),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the command runs, with alerts of the past and rules to try."""
    (tmp_path / "past.jsonl").write_text("".join(f"{json.dumps(it)}\n" for it in PAST))
    (tmp_path / "new.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


def test_it_prints_what_both_rules_would_have_done(offline: Run, folder: Path) -> None:
    ended = offline("replay", "new.yaml", "--alerts", "past.jsonl")
    assert ended.code == 0, ended.err
    assert "5 alerts, 2026-01-31 12:00:00 to 2026-01-31 13:15:00 UTC (1h15m)" in ended.out
    said = [" ".join(line.split()) for line in ended.out.splitlines()]
    for line in [
        "told in 5 notices, from past.jsonl",
        "TODAY: the built-in default",
        "NEW: new.yaml",
        "TODAY: 4 of 5 alerts have a part in 4 boosts. An agent is above its baseline 20.0% of the "
        "time, and at most 2 of 3 are at once. Profiling takes 67.4% more CPU than at rest.",
        "alerts that boost 4 3 −1",
        "that no rule is for 1 2 +1",
        "boosts by rules 4 3 −1",
        "how long, all together 45m 15m −30m",
        "agents above baseline, at most 2 2 =",
        "high_cpu 3 0 0 30m → 15m 1",
        "high_latency 1 → – 0 → – 0 → – 15m → – 1 → –",
        "Alerts that no rule is for: DiskFull 1, HighLatency 1.",
    ]:
        assert line in said


def test_without_rules_to_try_it_replays_todays(offline: Run, folder: Path) -> None:
    (folder / "upshift.yaml").write_text(RULES)
    ended = offline("replay", "--alerts", "past.jsonl")
    said = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "TODAY: upshift.yaml" in said
    assert "boosts by rules 3" in said


def test_programs_get_the_figures(offline: Run, folder: Path) -> None:
    document = offline("replay", "new.yaml", "--alerts", "past.jsonl", "--each", "3", "--json").json
    assert (document["notices"], document["agents"], document["agents_assumed"]) == (5, 9, True)
    today, new = document["rules"]
    assert today["alerts"]["boosted"] == 4
    assert new["by_rule"]["high_cpu"] == {
        "boosts": 3, "renewed": 0, "refused": 0, "lasted_ms": 900_000, "agents": 3,
    }  # fmt: skip
    assert new["most_agents_boosted"] == 6
    assert new["cost"]["cpu_core_s"] > new["cost_at_rest"]["cpu_core_s"] > 0


def test_the_agents_of_a_file_are_those_that_live(offline: Run, folder: Path) -> None:
    agents = "".join(f"  c{n}: {{attributes: {{service.name: cart}}}}\n" for n in range(4))
    (folder / "agents.yaml").write_text(f"agents:\n{agents}")
    document = offline("replay", "--alerts", "past.jsonl", "--agents", "agents.yaml", "--json").json
    assert (document["agents"], document["agents_assumed"]) == (4, False)
    assert document["rules"][0]["most_agents_boosted"] == 4


def test_the_agents_that_report_now_may_be_taken(cli: Run, served: Served, folder: Path) -> None:
    with agent(served.redis_url, "cart", profiles=("cpu", "wall")):
        document = cli("replay", "--alerts", "past.jsonl", "--live", "--json").json
    assert document["agents_assumed"] is False
    assert document["agents"] >= 1
    assert document["rules"][0]["by_rule"]["high_cpu"]["agents"] == 1


def test_agents_are_taken_from_one_place(offline: Run, folder: Path) -> None:
    ended = offline("replay", "--alerts", "past.jsonl", "--agents", "new.yaml", "--live")
    assert ended.code == 2
    assert "give one of --agents and --live" in ended.err


def test_since_counts_back_from_the_last_webhook(offline: Run, folder: Path) -> None:
    document = offline("replay", "--alerts", "past.jsonl", "--since", "30m", "--json").json
    assert document["notices"] == 2


SCHEDULED = """
sampling:
  on_rollout: [{frequency: 97, duration: 20m}]
  schedules:
    - {name: batch, cron: 30 12 * * *, target: service/billing, frequency: 97, duration: 30m}
    - name: freeze
      cron: 0 13 * * *
      target: service/billing
      kind: cap
      frequency: 9
      duration: 15m
"""


def test_schedules_come_in_virtual_time_and_rollouts_where_somebody_has_kept_them(
    offline: Run, folder: Path
) -> None:
    (folder / "scheduled.yaml").write_text(SCHEDULED)
    arguments = ("replay", "scheduled.yaml", "--alerts", "past.jsonl")
    ended = offline(*arguments)
    assert "on_rollout raises nothing here: past.jsonl tells of no rollout" in ended.err
    version = {"service.name": "checkout", "service.version": "2"}
    told = {"received_at": "2026-01-31T12:10:00Z", "rollouts": [version]}
    with (folder / "past.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\n")
    ended = offline(*arguments, "--json")
    assert ended.err == ""
    _, new = ended.json["rules"]
    assert ended.json["rollouts"] == 1
    assert sum(new["alerts"].values()) == 5
    assert (new["by_rule"]["rollout"]["boosts"], new["by_rule"]["rollout"]["lasted_ms"]) == (
        1, 1_200_000,
    )  # fmt: skip
    assert new["by_schedule"] == {
        "batch": {"boosts": 1, "renewed": 0, "refused": 0, "lasted_ms": 1_800_000, "agents": 1},
        "freeze": {"boosts": 1, "renewed": 0, "refused": 0, "lasted_ms": 900_000, "agents": 1},
    }
    assert new["boosted_agent_ms"] == 1_200_000 + 1_800_000
    hz_s = (
        new["mean_hz"]
        * ended.json["agents"]
        * (ended.json["end_ms"] - ended.json["start_ms"])
        / 1e3
    )
    at_rest = 19 * ended.json["agents"] * (ended.json["end_ms"] - ended.json["start_ms"]) / 1e3
    assert hz_s - at_rest == pytest.approx(78 * (1200 + 1800) - 10 * 900)


def test_records_say_when_they_came_and_a_folder_has_several_files(
    offline: Run, folder: Path
) -> None:
    (folder / "kept").mkdir()
    for name, at in (("b", "12:07"), ("a", "12:01")):
        record = {"received_at": f"2026-01-31T{at}:00.5Z", "webhook": webhook(alert("12:00"))}
        (folder / "kept" / f"webhooks-{name}.jsonl").write_text(f"{json.dumps(record)}\n")
    document = offline("replay", "--alerts", "kept", "--json").json
    assert document["end_ms"] - document["start_ms"] == (6 + 15) * 60_000  # what a boost may last
    assert document["notices"] == 2
    assert document["rules"][0]["boosts"] == 1


def test_one_document_of_several_lines_is_read_too(offline: Run, folder: Path) -> None:
    (folder / "pretty.json").write_text(json.dumps(PAST, indent=2))
    assert offline("replay", "--alerts", "pretty.json", "--json").json["notices"] == 5


def test_lines_that_are_no_webhook_are_left_out_and_told_of(offline: Run, folder: Path) -> None:
    with (folder / "past.jsonl").open("a") as file:
        file.write('{"version": "4", "al')
    ended = offline("replay", "--alerts", "past.jsonl")
    assert ended.code == 0
    assert "1 line left out; the first: past.jsonl:6: not JSON" in ended.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no webhook in x.jsonl: it is empty"),
        ("hello", "there is no webhook in x.jsonl: x.jsonl: not JSON"),
        ('{"a": 1}\n', "no webhook of Alertmanager, which has alerts"),
        ('{"webhook": {"alerts": []}, "received_at": 5}\n', "received_at must be a time such as"),
        ('{"alerts": [{"labels": 1}]}\n', "nobody knows when it came"),
        (
            '{"received_at": "2026-01-31T12:00:00Z", "rollouts": [{"a": "b"}]}\n',
            "rollouts: a version",
        ),
        ('{"received_at": "2026-01-31T12:00:00Z", "rollouts": 7}\n', "rollouts: version must"),
    ],
)
def test_what_is_no_past_is_refused_in_words(
    offline: Run, folder: Path, content: str, said: str
) -> None:
    (folder / "x.jsonl").write_text(content)
    ended = offline("replay", "--alerts", "x.jsonl")
    assert ended.code == 1
    assert said in ended.err


def test_it_takes_one_source(offline: Run, folder: Path) -> None:
    for arguments in ([], ["--alerts", "past.jsonl", "--prometheus", "http://127.0.0.1:1"]):
        ended = offline("replay", *arguments)
        assert ended.code == 2
        assert "give one of --alerts and --prometheus" in ended.err


def test_names_of_alerts_obey_no_terminal(offline: Run, folder: Path) -> None:
    evil = webhook(alert("12:00", name="a\x1b[2J"), alert("12:00", service="x\x9b31m"))
    (folder / "evil.jsonl").write_text(json.dumps(evil))
    ended = offline("replay", "--alerts", "evil.jsonl")
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "\x9b" not in ended.out
