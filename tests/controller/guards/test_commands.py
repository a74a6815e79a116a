"""Guards and the command line: `check`, `boost --stop-if`, and what cannot ask says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.command import Run
from controller.conftest import Served
from controller.guards.pretending import Pretending, number
from servers import eventually, free_port, prometheus
from upshift_controller.cli.screen.text import why_lease
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused

RULES = """\
sampling:
  on_alert:
    - {trigger: a, frequency: 99, duration: 10m, only_if: 'requests{service="{{ service }}"} > 1'}
    - {trigger: b, frequency: 99, duration: 10m, stop_if: 'sum(gone{s="{{ service }}"}) > 1'}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (file := tmp_path / "upshift.yaml").write_text(RULES)
    return file


@pytest.mark.servers("prometheus")
def test_check_tries_guards_on_a_real_prometheus(offline: Run, file: Path, tmp_path: Path) -> None:
    rule = "{record: requests, expr: vector(7), labels: {service: x}}"
    rules = f"groups: [{{name: a, rules: [{rule}]}}]"
    config = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    with prometheus(tmp_path / "prometheus", config, rules=rules) as real:
        eventually(lambda: real.get("/api/v1/query?query=requests")["data"]["result"])
        ended = offline("check", str(file), "--prometheus", real.url)
        assert (ended.code, ended.err) == (0, "")
        assert f"{file}:3:59: only_if, about anybody, is true: 7 now" in ended.out
        assert f"{file}:4:59: stop_if, about anybody, is false: it returns nothing now" in ended.out
        gone = 'gone{s!=""}, and there is nothing like that now'
        assert f"{file}:4:59: warning: stop_if is about {gone}" in ended.out
        file.write_text(RULES.replace("sum(gone", "sum by(gone"))
        ended = offline("check", str(file), "--prometheus", real.url)
        assert ended.code == 1
        assert f"{file}:4:59: stop_if: Prometheus refuses it: " in ended.out
        assert "parse error" in ended.out


def test_check_takes_a_range_for_a_fault(offline: Run, file: Path, server: Pretending) -> None:
    server.says = lambda _: [{"metric": {}, "values": [[1, "1"]]}]
    ended = offline("check", str(file), "--prometheus", server.url)
    assert ended.code == 1
    assert f"{file}:3:59: only_if: it returns a range of values" in ended.out


def test_check_says_when_prometheus_is_away(offline: Run, file: Path) -> None:
    ended = offline("check", str(file), "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert (ended.code, ended.err) == (1, "upshift: Prometheus cannot be reached\n")


def test_check_warns_of_guards_that_nobody_is_asked_about(offline: Run, file: Path) -> None:
    ended = offline("check", str(file))
    why = "only_if is never asked unless upshift.yaml sets `prometheus:`"
    assert f"{file}:3:59: warning: {why}" in ended.out
    file.write_text(f"prometheus: {{url: http://prometheus:9090}}\n{RULES}")
    assert "is never asked" not in offline("check", str(file)).out


def test_a_rule_test_says_of_whose_guards_it_has_no_answers(
    offline: Run, file: Path, tmp_path: Path
) -> None:
    test = "{name: n, alerts: [{alert: 'A{service=\"x\"}'}], expect: [{at: 0s}], answers: [%s]}"
    agents = "agents: {x: {attributes: {service.name: x}}}"
    (tests := tmp_path / "t.yaml").write_text(
        f"rules: {file}\n{agents}\ntests: [{test % '{rule: a, only_if: 3}'}]"
    )
    ended = offline("test", str(tests))
    assert ended.code == 0, ended.out
    said = "guards are not asked: only_if is taken to be true, stop_if to be false, of b"
    assert [line.strip() for line in ended.out.splitlines()][1] == said
    tests.write_text(f"rules: {file}\n{agents}\ntests: [{test % '{rule: b, only_if: 3}'}]")
    ended = offline("test", str(tests))
    assert ended.code == 1
    assert 'no rule "b" has a guard only_if' in ended.out


def test_a_replay_says_that_nobody_is_asked(
    offline: Run, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "kept"
    kept.write_text(
        '{"version": "4", "status": "firing", "alerts": '
        '[{"status": "firing", "labels": {"alertname": "a", "service": "s"}, "fingerprint": "f", '
        '"startsAt": "2026-01-31T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}]}\n'
    )
    ended = offline("replay", str(file), "--alerts", str(kept), "--json")
    assert ended.code == 0
    assert "Note: guards are not asked: only_if is taken to be true" in ended.err
    assert ended.json["rules"][-1]["alerts"]["boosted"] == 1


def test_an_engineers_stop_if_needs_a_controller_that_can_ask(cli: Run, served: Served) -> None:
    asked = ("service/guarded", "--hz", "97", "--for", "1m", "--stop-if", "up == 0")
    ended = cli("boost", *asked)
    assert ended.code == 1
    assert "stop_if needs a controller whose upshift.yaml sets `prometheus:`" in ended.err
    ended = cli("pin", *asked)
    assert "stop_if is for boosts, and this is a pin" in ended.err
    ended = cli("boost", *asked, "--direct", served.redis_url)
    assert ended.code == 2
    assert "nobody asks it with --direct" in ended.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prometheus: http://p:9090\n", "upshift.yaml:1:13: prometheus must be a mapping"),
        ("prometheus: {}\n", "upshift.yaml:1:13: url is missing"),
        ("prometheus: {url: 'p:9090'}\n", "upshift.yaml:1:19: url"),
        ("prometheus: {url: 'http://p', stop_if_every: 1d}\n", "1:46: stop_if_every must be 1s–5m"),
        ("prometheus: {url: 'http://p', stop_if_every: 15}\n", "stop_if_every needs a unit"),
        ("prometheus: {url: 'http://p', token_file: gone}\n", "gone: No such file or directory"),
        ("prometheus: {url: 'http://p', ca_file: gone}\n", "gone: No such file or directory"),
        ("prometheus: {url: 'http://p', token_file: upshift.yaml}\n\n# é", "must hold a token"),
    ],
)
def test_a_bad_setting_is_refused_with_the_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "upshift.yaml").write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert says in str(refused.value)


def test_a_password_in_the_url_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "upshift.yaml").write_text("prometheus: {url: 'ftp://ann:hunter2@p'}\n")
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert "hunter2" not in str(refused.value)


def test_the_token_stands_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a secret of sixteen\n")
    (tmp_path / "upshift.yaml").write_text(
        "prometheus: {url: 'http://p:9090/', token_file: token, stop_if_every: 30s}\n"
    )
    found = load(tmp_path / "upshift.yaml").prometheus
    assert found is not None
    assert (found.url, found.token) == ("http://p:9090", "a secret of sixteen")
    assert "secret" not in repr(found)


def test_a_query_that_is_true_now_is_said(offline: Run, file: Path, server: Pretending) -> None:
    server.says = lambda _: number(3)
    ended = offline("check", str(file), "--prometheus", server.url)
    assert (ended.code, ended.out.count("is true: 3 now")) == (0, 2)


def test_status_says_what_ends_a_lease_early() -> None:
    lease = {"id": "boost/1", "reason": "boost/1: by ann", "where": {}, "fraction": 1.0}
    assert why_lease(lease | {"stop_if": None}) == "by ann"
    assert why_lease(lease | {"stop_if": "up == 0"}) == "by ann; until stop_if is true: up == 0"
