"""Reading and reloading: all of a configuration, or nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.conftest import Start, alert, outcomes
from upshift_agent.contract import Keys, decode_plan
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused
from upshift_controller.settings import RELOADED, Settings, TlsEntry, needs_restart

RULES = """
sampling:
  default: 9
  environments: {staging: 49}
  on_alert:
    - trigger: disk_full
      frequency: 49
      duration: 5m
"""


def test_without_any_file_the_users_rules_are_in_force(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = load(None)
    rules = [(it.name, it.frequency_hz, it.duration_ms) for it in configuration.rules.rules]
    assert rules == [("high_cpu", 100, 600_000), ("high_latency", 49, 900_000)]
    assert configuration.rules.baseline.default == 19
    assert configuration.rules_from == "the built-in default"


def test_upshift_yaml_in_this_folder_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "upshift.yaml").write_text(RULES)
    monkeypatch.chdir(tmp_path)
    assert load(None).rules.baseline.default == 9


def test_rules_may_stand_in_a_file_of_their_own_beside_it(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "upshift.yaml").write_text("rules: rules.yaml\nnamespace: other\n")
    configuration = load(tmp_path / "upshift.yaml", redis="redis://elsewhere")
    assert configuration.rules.rules[0].name == "disk_full"
    assert configuration.settings.redis == "redis://elsewhere"
    assert configuration.settings.namespace == "other"
    assert configuration.settings.data == str(tmp_path / "upshift-data")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("listne: 1\n", "upshift.yaml:1:1: unknown field \"listne\""),
        ("max_body_mib: 0\n", "upshift.yaml:1:15: max_body_mib"),
        ("rules: a.yaml\nsampling: {}\n", "upshift.yaml:1:8: give either sampling or rules"),
        ("rules: a.yaml\n", "cannot read"),
        ("history_length: [1]\n", "upshift.yaml:1:17: history_length must be a whole number"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "upshift.yaml").write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert says in str(refused.value)


async def test_a_reload_puts_new_rules_in_force_and_tells_the_fleet_its_baseline(
    start: Start, tmp_path: Path
) -> None:
    disk_full = alert({"alertname": "DiskFull", "service": "checkout"})
    async with start(RULES.replace("disk_full", "other")) as running:
        assert outcomes(await running.notify(disk_full)) == ["no_rule"]
        (tmp_path / "upshift.yaml").write_text(RULES.replace("default: 9", "default: 11"))
        answer = await running.ask("POST", "/-/reload")
        assert answer.status == 200
        assert "1 rules from" in answer.body
        assert outcomes(await running.notify(disk_full)) == ["granted"]
        plan = decode_plan(running.redis.get(Keys().plan("fleet")))
        assert plan.baseline is not None
        assert (plan.baseline.default, plan.baseline.environments) == (11, {"staging": 49})


async def test_a_bad_reload_is_refused_and_the_last_good_rules_stay(
    start: Start, tmp_path: Path
) -> None:
    async with start(RULES) as running:
        (tmp_path / "upshift.yaml").write_text(RULES.replace("frequency: 49", "frequency: fast"))
        answer = await running.ask("POST", "/-/reload")
        assert answer.status == 422
        assert "frequency must be" in answer.body["errors"][0]
        assert 'got "fast"' in answer.body["errors"][0]
        metrics = (await running.ask("GET", "/metrics")).body
        assert "upshift_config_last_reload_successful 0.0" in metrics
        disk_full = alert({"alertname": "DiskFull", "service": "checkout"})
        assert outcomes(await running.notify(disk_full)) == ["granted"]
        (tmp_path / "upshift.yaml").write_text(RULES)
        assert (await running.ask("POST", "/-/reload")).status == 200
        metrics = (await running.ask("GET", "/metrics")).body
        assert "upshift_config_last_reload_successful 1.0" in metrics


@pytest.mark.parametrize("left", ["", "# nothing yet\n", "{}\n", None])
async def test_a_file_that_says_nothing_any_more_is_refused_and_what_it_said_stays(
    start: Start, tmp_path: Path, left: str | None
) -> None:
    """As when its writing is cut short. The built-in rules would be in force, without tokens."""
    async with start(RULES) as running:
        config = tmp_path / "upshift.yaml"
        config.unlink()
        if left is not None:
            config.write_text(left)
        answer = await running.ask("POST", "/-/reload")
        assert answer.status == 422
        assert ("says nothing" if left is not None else "cannot read") in answer.body["detail"]
        disk_full = alert({"alertname": "DiskFull", "service": "checkout"})
        assert outcomes(await running.notify(disk_full)) == ["granted"]


async def test_the_default_file_may_not_go_either(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "upshift.yaml").write_text(RULES)
    async with start() as running:
        (tmp_path / "upshift.yaml").unlink()
        answer = await running.ask("POST", "/-/reload")
        assert (answer.status, "says nothing" in answer.body["detail"]) == (422, True)


def test_a_file_for_rules_has_some(tmp_path: Path) -> None:
    (tmp_path / "upshift.yaml").write_text("rules: rules.yaml\n")
    (tmp_path / "rules.yaml").touch()
    with pytest.raises(StartRefused, match=r"rules\.yaml says nothing"):
        load(tmp_path / "upshift.yaml")


async def test_a_controller_without_a_file_may_be_told_to_reload(start: Start) -> None:
    async with start() as running:
        assert (await running.ask("POST", "/-/reload")).status == 200


async def test_a_reload_says_whose_place_other_rules_take(start: Start, tmp_path: Path) -> None:
    async with start(RULES) as running:
        (tmp_path / "upshift.yaml").write_text("history_length: 1000\n")
        answer = await running.ask("POST", "/-/reload")
        mine = tmp_path / "upshift.yaml"
        assert f"rules from the built-in default in place of those from {mine}\n" in answer.body


CHANGED = {
    "listen": "127.0.0.1:1",
    "redis": "redis://elsewhere:6379",
    "data": "elsewhere",
    "namespace": "other",
    "tls": TlsEntry(certificate="a", key="b"),
    "max_body_mib": 1.0,
    "history_length": 10,
    "record": "elsewhere",
}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_that_a_reload_does_not_put_in_force_is_named_where_it_changed(
    name: str,
) -> None:
    assert (name in CHANGED) != (name in RELOADED)
    before = Settings()
    after = before.model_copy(update={name: CHANGED.get(name, "another")})
    assert needs_restart(before, after) == [name] * (name in CHANGED)


async def test_a_reload_says_what_it_takes_a_restart_for(start: Start, tmp_path: Path) -> None:
    async with start(RULES) as running:
        (tmp_path / "upshift.yaml").write_text(RULES + "\nmax_body_mib: 1\n")
        assert (await running.ask("POST", "/-/reload")).body.endswith("restart for: max_body_mib\n")


async def test_another_alertmanager_is_asked_after_a_reload(start: Start, tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def alerts(_: web.Request) -> web.Response:
        asked.set()
        return web.json_response([])

    app = web.Application()
    app.router.add_get("/api/v2/alerts", alerts)
    async with start(RULES) as running, TestServer(app) as server:
        url = str(server.make_url(""))
        (tmp_path / "upshift.yaml").write_text(f"{RULES}\nalertmanager: {{urls: [{url}]}}\n")
        assert (await running.ask("POST", "/-/reload")).status == 200
        await asyncio.wait_for(asked.wait(), 10)
