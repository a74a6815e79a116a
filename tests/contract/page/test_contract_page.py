"""`agents-sdk/contract/README.md` says what is so: its examples, names and figures, recomputed."""

import hashlib
import hmac
import json
import re
from typing import Any

import pytest

from upshift_agent import config, contract, engine
from upshift_agent.contract import (
    AGENT,
    Baseline,
    Cause,
    Keys,
    Lease,
    Plan,
    check_target,
    decode_plan,
    is_plain,
    one_line,
    selects,
    share,
    version_of,
)
from upshift_agent.contract.resolve import resolve
from upshift_agent.drivers import adapter
from upshift_agent.driving import progress
from upshift_agent.following import connect, timing

from .. import CONTRACT
from .taken_apart import BLOCKS, PAGE, quoted, table


@pytest.mark.parametrize("name", ["plan", "fleet", "status"])
def test_each_message_shown_is_the_golden_one(name: str) -> None:
    assert json.loads(BLOCKS[name]) == json.loads(
        (CONTRACT / "golden" / f"{name}.json").read_text()
    )


def test_the_tables_name_every_field_that_is_written_and_no_other() -> None:
    def named(table_of: str) -> set[str]:
        return {quoted(row[0]) for row in table(table_of, "type")}

    plan, status = json.loads(BLOCKS["fleet"]), json.loads(BLOCKS["status"])
    pin = json.loads(BLOCKS["plan"])["leases"][1]
    for name, document in (
        ("plan", plan),
        ("baseline", plan["baseline"]),
        ("lease", pin),
        ("status", status),
        ("requested", status["requested"]),
        ("a profile requested", status["requested"]["profiles"]["cpu"]),
        ("applied", status["applied"]),
        ("a profile applied", status["applied"]["profiles"]["cpu"]),
    ):
        assert named(name) == set(document), name


def test_a_target_s_key_is_the_one_shown() -> None:
    for target, key in table("target", "key of its plan"):
        assert Keys().plan(check_target(quoted(target))) == quoted(key)


def test_every_key_of_ours_is_listed() -> None:
    keys, target = Keys("N"), "fleet"
    ours = [
        keys.state(target),
        keys.plan(target),
        keys.changes(target),
        keys.history(target),
        keys.agents(target),
        keys.due,
        keys.targets,
        keys.reporting,
        keys.budget,
        keys.versions,
        keys.rollouts,
        keys.evidence(target),
    ]
    listed = re.findall(r"N:v1:[\w{}:]+", " ".join(row[0] for row in table("key", "type")))
    assert {key.replace("{fleet}", "{T}") for key in ours} == set(listed)


def test_the_commands_listed_are_those_that_an_agent_may_use() -> None:
    users = (CONTRACT.parents[1] / "deploy/redis/users.acl").read_text().splitlines()
    (agent,) = (line for line in users if line.startswith("user upshift-agent "))
    may = {it.replace("|", " ").upper() for it in re.findall(r"\+([\w|]+)", agent)}
    (said,) = re.findall(r"may use only (.*?), beside", PAGE, re.DOTALL)
    assert {" ".join(it.split()) for it in re.findall(r"`([^`]+)`", said)} == may


def test_the_signed_message_is_signed_as_the_page_says() -> None:
    message = json.loads(BLOCKS["signed"])
    secret = "a shared secret"
    signature = hmac.new(secret.encode(), message["plan"].encode(), "sha256").hexdigest()
    assert message["sig"] == signature
    assert decode_plan(BLOCKS["signed"], [secret.encode()]) == Plan(target="fleet", rev=7, now_ms=5)
    shown = re.fullmatch(
        r"printf %s '(.*)' \| openssl dgst -sha256 -hmac '(.*)'\n", BLOCKS["openssl"]
    )
    assert shown
    assert shown.groups() == (message["plan"], secret)


def agent_ids(cell: str) -> list[str]:
    return ["" if it == "(none)" else quoted(it) for it in cell.split(", ")]


def test_each_version_shown_is_so() -> None:
    for cells in table("attributes", "member"):
        member = version_of(json.loads(quoted(cells[0])))
        assert member == (None if cells[1] == "(none)" else quoted(cells[1]))


def test_each_share_shown_is_so() -> None:
    for cells in table("id", "since_ms"):
        name, since_ms, _, first, place = map(quoted, cells)
        (agent_id,) = agent_ids(cells[2])
        digest = hashlib.sha256(f"{name}\n{since_ms}\n{agent_id}".encode()).hexdigest()
        assert digest.startswith(first)
        lease = Lease(id=name, kind="cap", hz=0, since_ms=int(since_ms), expires_at_ms=0)
        assert share(lease, {AGENT: agent_id}) == float(place)


def test_each_arc_shown_is_for_whom_the_page_says() -> None:
    shares = table("id", "since_ms")
    agents = [it for row in shares if row[0] == "`canary/1`" for it in agent_ids(row[2])]
    for fraction, start, chosen, _ in table("fraction", "fraction_from"):
        lease = Lease(
            id="canary/1",
            kind="cap",
            hz=0,
            since_ms=int(shares[0][1]),
            expires_at_ms=0,
            fraction=float(fraction),
            fraction_from=float(start),
        )
        assert [it for it in agents if selects(lease, {AGENT: it})] == agent_ids(chosen)


def test_each_reason_shown_is_so() -> None:
    for cells in table("lease and why"):
        reason = quoted(cells[1])
        if named := re.fullmatch(r"(\w+) `([^`]+)`, `(.*)`", cells[0]):
            kind, name, because = named.groups()
            lease: Any = Lease(
                id=name,
                kind=kind,
                hz=1,
                since_ms=0,
                expires_at_ms=1,  # type: ignore[arg-type]
                cause=Cause(json.loads(because)),
            )
            assert lease.reason == reason
        else:
            where = {"deployment.environment.name": "staging" if "staging" in cells[0] else "qa"}
            profile = "wall" if "wall" in cells[0] else "cpu"
            has = {} if cells[0].endswith("none") else {"wall": 10}
            baseline = Baseline(19, {"staging": 49}, has)
            assert resolve([], where, baseline, None, 0, profile).reason == reason


def test_each_text_shown_is_cleaned_so() -> None:
    for cells in table("text (as JSON)"):
        text, most, cleaned = map(quoted, cells)
        assert one_line(json.loads(text), int(most)) == json.loads(cleaned)


def test_the_code_points_listed_are_those_that_are_not_plain() -> None:
    unsafe: set[int] = set()
    for ranges, _ in table("code points", "what"):
        for first, last in re.findall(r"U\+(\w{4})(?:–U\+(\w{4}))?", ranges):
            unsafe |= set(range(int(first, 16), int(last or first, 16) + 1))
    assert unsafe == {it for it in range(0x110000) if not is_plain(chr(it))}


def test_white_space_becomes_a_space_and_the_rest_of_them_a_sign() -> None:
    (said,) = re.findall(r"white\s+space\s+\(([^)]*)\)", PAGE)
    white: set[int] = set()
    for first, last in re.findall(r"U\+(\w{4})(?:–U\+(\w{4}))?", said):
        white |= set(range(int(first, 16), int(last or first, 16) + 1))
    for point in (it for it in range(0x110000) if not is_plain(chr(it))):
        assert one_line(chr(point), 1) == (" " if point in white else "\N{REPLACEMENT CHARACTER}")


def test_each_figure_is_ours() -> None:
    figures = {
        "longest message, and plan inside a signed one": contract.MAX_MESSAGE_BYTES,
        "most leases of a plan": contract.MAX_LEASES,
        "largest lease, as JSON, that controllers grant": contract.MAX_LEASE_BYTES,
        "longest lease that controllers grant": contract.MAX_LEASE_MS,
        "highest frequency that they grant, or an agent's own settings hold": contract.MAX_HZ,
        "longest target": contract.MAX_TARGET_BYTES,
        "longest member of `versions` that controllers read": contract.keys.MAX_VERSION_BYTES,
        "attributes of an agent, names and values together": config.MAX_ATTRIBUTES_BYTES,
        "age of a pushed signed plan": contract.MAX_PUSH_AGE_MS,
        "start of a lease, or `now_ms` of a push, too far from now": contract.SET_BACK_MS,
        "a report when nothing changes": contract.STATUS_INTERVAL_S,
        "from a change to its report, to gather more": timing.SETTLE_S,
        "an agent is lost": contract.STATUS_LOST_MS,
        "its hash is kept": timing.AGENTS_TTL_S,
        "plans are read": timing.RESYNC_S,
        "and at least so far apart": timing.PAUSE_S,
        "other servers of a cluster are visited": timing.VISIT_S,
        "any answer, and connecting": timing.TIMEOUT_S,
        "a sentinel, or a node that is asked the way": connect.ASK_S,
        "silence before a `PING`": timing.PING_S,
        "longest wait before a new session": timing.LONGEST_BACKOFF_S,
        "a session that lasted": timing.LASTING_S,
        "first pause after a driver's failure": progress.FIRST_RETRY_S,
        "longest pause after a driver's failure": progress.LONGEST_RETRY_S,
        "a driver that does not return": progress.SLOW_AFTER_S,
        "longest nap of the timer for ends": engine.NAP_S,
        "default of the agent's own baseline": config.DEFAULT_BASELINE_HZ,
        "longest reason in a status": contract.plan.MAX_REASON,
        "longest name of a driver": adapter.MAX_NAME,
        "highest `achieved_hz` that an agent reports": adapter.MAX_ACHIEVED_HZ,
    }
    shown = {row[0]: float(row[1].split()[0]) for row in table("what", "value")}
    assert shown == figures
