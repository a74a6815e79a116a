"""`boost`, `pin`, `cap`, `release`, and what `--wait` waits for. With real agents."""

from __future__ import annotations

import getpass
import re
import sys
from pathlib import Path

import pytest

from controller.command import NOWHERE, Ended, Run, agent, start
from controller.conftest import Served
from controller.test_serve import notify, serve
from servers import RedisServer, free_port, http_server


def leases(cli: Run, target: str) -> list[dict[str, object]]:
    return list(cli("status", target, "--json").json["leases"])


@pytest.mark.parametrize("verb", ["boost", "pin", "cap"])
def test_an_override_is_a_lease_with_an_end_and_says_how_to_end_it_early(
    cli: Run, verb: str
) -> None:
    target = f"service/{verb}ed"
    ended = cli(verb, target, "--hz", "49", "--for", "1h30m", "--reason", "slow carts")
    assert ended.code == 0
    assert f"Note: no live agent of {target} reports" in ended.err, "the name may be a slip"
    [lease] = leases(cli, target)
    assert (lease["kind"], lease["hz"]) == (verb, 49)
    assert 5_390_000 < int(str(lease["remaining_ms"])) <= 5_400_000
    assert lease["because"] == {"by": getpass.getuser(), "reason": "slow carts"}
    assert f"upshift release {lease['id']}" in ended.out


def test_for_programs_the_answer_is_json_alone_on_standard_output(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "jsonned"):
        asked = ("boost", "service/jsonned", "--hz", "49", "--for", "1m", "--wait", "--json")
        outcome = cli(*asked).json["outcome"]
        assert (outcome["outcome"], outcome["hz"]) == ("granted", 49)
        released = cli("release", outcome["lease"], "--json").json["outcome"]
        assert (released["outcome"], released["target"]) == ("released", "service/jsonned")


def test_a_slip_is_forgotten_and_what_lives_or_is_leased_is_not(cli: Run, served: Served) -> None:
    slip = "service/chekcout"
    cli("boost", slip, "--hz", "49", "--for", "1m")
    leased = cli("forget", slip)
    assert (leased.code, "agents that live: 0, leases: 1" in leased.err) == (1, True)
    cli("release", slip)
    assert cli("forget", slip).code == 0
    assert slip not in cli("status").out
    assert cli("history", slip).out
    never = cli("forget", "service/never")
    assert (never.code, "nothing is known of service/never" in never.err) == (1, True)
    with agent(served.redis_url, "lively"):
        assert "agents that live: 1, leases: 0" in cli("forget", "service/lively").err
    assert cli("forget", "fleet").code == 1


def test_a_key_that_is_given_twice_means_any_of_its_values(cli: Run) -> None:
    where = ("--where", "zone=a", "--where", "tier=x", "--where", "zone=b=c")
    cli("boost", "service/where", "--hz", "49", "--for", "1m", *where)
    assert leases(cli, "service/where")[0]["where"] == {"zone": ["a", "b=c"], "tier": ["x"]}


def test_a_cap_of_nothing_on_the_fleet_says_that_profiling_stops_everywhere(cli: Run) -> None:
    ended = cli("cap", "fleet", "--hz", "0", "--for", "1s")
    assert "profiling stops everywhere for 1s" in ended.out
    cli("release", "fleet")


def test_what_the_controller_refuses_is_exit_1_with_its_reason(cli: Run) -> None:
    ended = cli("boost", "service/x", "--hz", "9", "--for", "1m", "--reason", "x" * 501)
    assert (ended.code, ended.out) == (1, "")
    assert "refused: reason: string should have at most 500 characters" in ended.err


def test_release_ends_a_lease_or_all_of_a_target(cli: Run) -> None:
    target = "service/released"
    for hz in ("20", "30", "40"):
        cli("boost", target, "--hz", hz, "--for", "1m")
    lease = str(leases(cli, target)[0]["id"])
    assert cli("release", lease).code == 0
    assert len(leases(cli, target)) == 2
    assert cli("release", target).code == 0
    assert leases(cli, target) == []


def released(*arguments: str) -> str:
    """By a process of its own, since `--direct` sets up the log."""
    with start(NOWHERE, "release", *arguments) as process:
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return said


def test_the_lease_of_a_rule_that_is_called_like_a_target_is_released(
    tmp_path: Path, valkey: RedisServer, offline: Run
) -> None:
    config = tmp_path / "upshift.yaml"
    rule = "{trigger: high_cpu, name: service/checkout, frequency: 99, duration: 10m}"
    config.write_text(f"sampling:\n  on_alert:\n  - {rule}\n")
    with serve(tmp_path, "--config", str(config), "--redis", valkey.url) as server:
        url, direct = ("--url", server.url), ("--direct", valkey.url)
        for where in (url, direct):
            offline("cap", "service/checkout", "--hz", "9", "--for", "1m", *url)
            notify(server)
            view = offline("status", "service/checkout", "--json", *url).json
            (boost,) = (it["id"] for it in view["leases"] if it["kind"] == "boost")
            assert boost.startswith("service/checkout/")
            assert released(boost, *where).startswith("service/checkout: released")
            (cap,) = offline("status", "service/checkout", "--json", *url).json["leases"]
            assert cap["kind"] == "cap"
            assert released("service/checkout", *where)
            with valkey.client() as client:
                client.flushall()


def test_there_is_nothing_to_release_is_exit_1(cli: Run) -> None:
    ended = cli("release", "boost/00000000")
    assert (ended.code, ended.out) == (1, "")
    assert "may have ended by itself" in ended.err


def test_wait_ends_when_every_agent_has_applied_it(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "waited") as driver:
        ended = cli("boost", "service/waited", "--hz", "99", "--for", "1m", "--wait")
        assert (ended.code, ended.err) == (0, "")
        assert driver.frequencies[-1] == 99
    assert re.search(r"✓ 1 agent runs at 99 Hz: boost/\w+", ended.out)


def test_wait_says_where_another_lease_decides(cli: Run, served: Served) -> None:
    cli("cap", "service/capped", "--hz", "30", "--for", "1m")
    with agent(served.redis_url, "capped"):
        ended = cli("boost", "service/capped", "--hz", "99", "--for", "1m", "--wait")
    assert ended.code == 0
    assert "✓ 1 agent runs at 30 Hz: cap/" in ended.out


def test_wait_is_exit_1_when_an_agents_driver_hangs(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "hung") as driver:
        driver.returns.clear()
        wait = ("--wait", "--wait-timeout", "1s")
        ended = cli("boost", "service/hung", "--hz", "99", "--for", "1m", *wait)
    assert ended.code == 1
    assert "of 1 agent, 1 did not apply it within 1s" in ended.err


def test_wait_ends_at_once_when_an_agent_refuses(cli: Run, served: Served) -> None:
    with agent(served.redis_url, "broken") as driver:
        driver.error = RuntimeError("no perf events here")
        ended = cli("boost", "service/broken", "--hz", "99", "--for", "1m", "--wait")
    assert ended.code == 1
    assert "no perf events here" in ended.out
    assert "of 1 agent, 1 failed to apply it" in ended.err


def test_wait_says_that_there_are_no_agents(cli: Run) -> None:
    ended = cli("boost", "service/empty", "--hz", "99", "--for", "1m", "--wait")
    assert ended.code == 1
    assert "no live agent of service/empty reports" in ended.err


def test_wait_is_only_for_agents_that_the_lease_reaches(cli: Run, served: Served) -> None:
    boost = ("boost", "service/zones", "--hz", "99", "--for", "1m", "--wait")
    with (
        agent(served.redis_url, "zones", attributes={"zone": "a", "service.instance.id": "a"}),
        agent(served.redis_url, "zones", attributes={"zone": "b", "service.instance.id": "b"}),
    ):
        assert "✓ 1 agent runs at 99 Hz" in cli(*boost, "--where", "zone=a").out
        both = cli(*boost, "--where", "zone=a", "--where", "zone=b")
        assert "✓ 2 agents run at 99 Hz" in both.out
        nobody = cli(*boost, "--where", "zone=c")
    assert nobody.code == 1
    assert "reaches none of the 2 live agents: zone is a or b" in nobody.err


def test_tokens_decide_who_may_and_whose_name_the_history_has(cli: Run, tmp_path: Path) -> None:
    for role in ("viewer", "operator"):
        (tmp_path / role).write_text(f"the secret of the {role}\n")
    config = tmp_path / "upshift.yaml"
    config.write_text(
        "tokens:\n"
        "  - {name: dashboard, role: viewer, file: viewer}\n"
        "  - {name: on-call, role: operator, file: operator}\n"
    )
    port = free_port()
    serve = [sys.executable, "-m", "upshift_controller", "serve", "--config", str(config)]
    with http_server(tmp_path, port, *serve, "--listen", f"127.0.0.1:{port}") as server:

        def ask(role: str, *arguments: str) -> Ended:
            return cli(*arguments, "--url", server.url, "--token-file", str(tmp_path / role))

        nobody = cli("status", "--url", server.url)
        assert nobody.code == 1
        assert "--token-file" in nobody.err
        boost = ("boost", "service/x", "--hz", "99", "--for", "1m")
        viewer = ask("viewer", *boost)
        assert viewer.code == 1
        assert "takes a token with the role operator" in viewer.err
        assert "--token-file" not in viewer.err, "it has one"
        assert ask("operator", *boost).code == 0
        assert ask("viewer", "history", "--json").json["entries"][0]["by"] == "on-call"


def test_a_token_file_without_a_token_is_misuse(cli: Run, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("")
    assert cli("status", "--token-file", str(file)).code == 2
