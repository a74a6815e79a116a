"""The verbs that look: what they say to people, to pipes and to programs."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.command import Run, agent, start
from controller.conftest import Served, alert, notification
from upshift_controller.cli.screen.text import names
from upshift_controller.views import models

ESCAPE = "\x1b"


def test_json_is_the_apis_own_answer(cli: Run) -> None:
    cli("boost", "service/json", "--hz", "99", "--for", "1m")
    models.Targets.model_validate(cli("status", "--json").json)
    models.TargetView.model_validate(cli("status", "service/json", "--json").json)
    models.Agents.model_validate(cli("agents", "--json").json)
    models.History.model_validate(cli("history", "--json").json)
    body = json.dumps(alert()).encode()
    models.Accounts.model_validate(cli("explain", "-", "--json", stdin=body).json)


def test_status_shows_leases_with_their_countdown_and_why(cli: Run) -> None:
    where = ("--where", "zone=a", "--where", "zone=b")
    cli("cap", "service/status", "--hz", "9", "--for", "2m", "--reason", "slow carts", *where)
    rows = [it for it in cli("status").out.splitlines() if it.startswith("cap/")]
    (row,) = (it for it in rows if "service/status" in it)
    assert re.search(
        r"service/status +cap +9 +(2m|1m5\ds)  slow carts, by \S+; only zone=a\|b", row
    )


def test_status_of_a_target_shows_requested_applied_and_achieved_hz(
    cli: Run, served: Served
) -> None:
    with agent(served.redis_url, "three-hz", max_hz=49) as driver:
        driver.achieved_hz = 48.2
        cli("boost", "service/three-hz", "--hz", "99", "--for", "1m", "--wait")
        said = cli("status", "service/three-hz").out
    assert "1 of 1 live agent converged" in said
    row = next(line for line in said.splitlines() if line.startswith("✓"))
    assert re.search(r" 49 +49 +48\.2  boost/\w+: .*max_hz, asked for 99 Hz", row)


@pytest.mark.parametrize("verb", ["status", "history", "release"])
def test_what_nobody_knows_is_exit_1_and_what_may_have_been_meant_is_named(
    cli: Run, verb: str
) -> None:
    cli("pin", "service/checkout", "--hz", "49", "--for", "1s")
    for name, meant in (("chekout", "; did you mean service/checkout?"), ("zzzzzz", "")):
        ended = cli(verb, f"service/{name}")
        assert (ended.code, ended.out) == (1, "")
        said = f"nothing is known of service/{name}: it has no agents, no leases and no history"
        assert ended.err == f"upshift: {said}{meant}\n"


def test_a_quiet_target_is_not_taken_for_an_unknown_one(cli: Run, served: Served) -> None:
    cli("pin", "service/over", "--hz", "49", "--for", "1m")
    cli("release", "service/over")
    assert "no live agents report" in cli("status", "service/over").out
    assert cli("release", "service/over").code == 1
    with agent(served.redis_url, "calm"):
        assert "Nothing has happened to service/calm yet." in cli("history", "service/calm").out


def test_status_of_a_target_says_what_an_agent_that_starts_now_runs_at(cli: Run) -> None:
    cli("pin", "service/starting", "--hz", "9", "--for", "1s")
    cli("release", "service/starting")
    assert "An agent that starts now runs at its baseline." in cli("status", "service/starting").out
    cli("pin", "service/starting", "--hz", "30", "--for", "1m")
    said = cli("status", "service/starting").out
    assert "An agent that starts now runs at 30 Hz: pin/" in said
    where = "deployment.environment.name=staging"
    cli("cap", "service/starting", "--hz", "9", "--for", "1m", "--where", where)
    cli("cap", "service/starting", "--hz", "1", "--for", "1m", "--where", "zone=a")
    said = cli("status", "service/starting").out
    assert re.search(
        r"starts now runs at\n +9 Hz in staging: cap/.*\n +30 Hz elsewhere: pin/", said
    )


def test_history_says_who_did_what_and_why_the_newest_first(cli: Run) -> None:
    cli("boost", "service/told", "--hz", "99", "--for", "1m", "--reason", "slow carts")
    cli("release", "service/told")
    lines = cli("history", "service/told").out.splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["released", "granted"]
    assert "slow carts, by" in lines[2]
    assert re.match(r"WHEN \(\S+\)", lines[0]), "a time without its zone is half a time"
    assert len(cli("history", "service/told", "--limit", "1", "--json").json["entries"]) == 1


def test_history_says_for_how_long_and_for_whom(cli: Run) -> None:
    where = ("--where", "zone=a", "--where", "zone=b")
    cli("cap", "service/lasting", "--hz", "9", "--for", "1h30m", *where)
    cli("release", "service/lasting")
    released, granted = cli("history", "service/lasting").out.splitlines()[1:]
    assert re.search(r"granted +9 +1h30m  cap/\w+: by \w+; only zone=a\|b", granted)
    assert re.search(r"released +9 +\ds  cap/", released), "as long as it has lasted"


def test_a_name_is_no_markup(cli: Run) -> None:
    cli("pin", "service/a[red]b", "--hz", "49", "--for", "1m")
    for said in (cli("status").out, cli("history").out):
        assert "service/a[red]b" in said
    cli("release", "service/a[red]b")


def test_a_pipe_gets_no_colour_and_each_row_on_one_line(cli: Run, served: Served) -> None:
    target = "service/" + "long-" * 40
    cli("boost", target, "--hz", "99", "--for", "1m", "--reason", "because " * 40)
    with start(served.url, "status", target) as process:
        out, _ = process.communicate(timeout=30)
    assert ESCAPE not in out
    assert any(target in line and ("because " * 40).strip() in line for line in out.splitlines())


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_it_is_coloured_and_keeps_within_its_width(
    cli: Run, served: Served, columns: int
) -> None:
    cli("boost", "service/wide", "--hz", "99", "--for", "1m", "--reason", "because " * 40)
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "upshift_controller", "status", "--url", served.url],
        stdout=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns)},
        check=True,
    )
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert ESCAPE in said
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert max(len(line) for line in plain.splitlines()) <= columns
    assert "service/wide" in plain


def test_explain_says_for_each_rule_why_or_why_not_and_what_would_happen(cli: Run) -> None:
    body = json.dumps(notification(alert(), alert({"alertname": "Disk"}), {"labels": 3})).encode()
    ended = cli("explain", "-", stdin=body)
    said = ended.out
    assert ended.code == 1, "one of them cannot be read"
    assert re.search(r"✓ +high_cpu +alertname is 'HighCPU'", said)
    assert re.search(r"– +high_latency +the trigger is 'high_latency'", said)
    assert re.search(r"granted +high_cpu +service/checkout +100 Hz for 10m", said)
    assert re.search(r"no_rule .*no rule has the trigger 'Disk'", said)
    assert re.search(r"invalid .*alerts\[2\]\.labels must map names", said)


def test_explain_changes_nothing(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "alert.json"
    file.write_text(json.dumps(alert({"alertname": "HighCPU", "service": "explained"})))
    assert "service/explained" in cli("explain", str(file)).out
    assert "service/explained" not in cli("status").out


def test_what_is_no_alert_is_refused(cli: Run) -> None:
    ended = cli("explain", "-", stdin=b"{")
    assert (ended.code, ended.out) == (1, "")
    assert "not JSON" in ended.err


def test_agents_of_one_instance_are_told_apart_by_pid_and_by_their_ids_where_that_repeats() -> None:
    rows = [
        {"target": target, "instance": instance, "attributes": {"process.pid": pid} | own}
        for target, instance, pid, own in (
            ("service/a", "host", "1", {"upshift.agent.id": "c0ffee"}),
            ("service/a", "host", "1", {"upshift.agent.id": "f00d"}),
            ("service/a", "host", "7", {"upshift.agent.id": "beef"}),
            ("service/a", "alone", "1", {}),
            ("service/b", "host", "1", {}),
        )
    ]
    assert list(names(rows).values()) == [
        "host, pid 1, agent c0ffee",
        "host, pid 1, agent f00d",
        "host, pid 7",
        "alone",
        "host",
    ]
