"""`agents-sdk/contract/README.md` says what is so: its examples, figures and code, recomputed.

Its Python is run as it stands and compared with ours, so that whoever writes an SDK from the page
alone gets the same answers.
"""

import hashlib
import hmac
import json
import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from upshift_agent import config, contract, drivers, driving, engine
from upshift_agent.contract import (
    AGENT,
    Baseline,
    Keys,
    Lease,
    Plan,
    check_target,
    decode_plan,
    encode_plan,
    is_plain,
    one_line,
    selects,
    share,
)
from upshift_agent.contract.resolve import resolve
from upshift_agent.following import subscription
from upshift_agent.following.clock import RedisClock
from upshift_agent.following.plans import Plans

from . import CONTRACT
from .strategies import attributes, baselines, followed, hertz, leases, moments, plans_of
from .test_vectors import CASES

PAGE = (CONTRACT / "README.md").read_text(encoding="utf-8")
GOLDEN = CONTRACT / "golden"
BLOCKS = dict(re.findall(r"^```\w+ (\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def quoted(cell: str) -> str:
    return cell.strip("`")


def table(*header: str) -> list[list[str]]:
    """The cells of the page's tables whose first columns are called so."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif tuple(map(quoted, cells[: len(header)])) == header:
            inside = True
        elif inside and not set(line) <= set("|-"):
            found.append(cells)
    assert found, header
    return found


def code(*names: str) -> dict[str, Any]:
    """What these blocks of the page define."""
    found: dict[str, Any] = {
        "sha256": lambda data: hashlib.sha256(data).digest(),
        "with_leases": lambda plan, leases: replace(plan, leases=tuple(leases)),
        "moved": lambda lease, since, end: replace(lease, since_ms=since, expires_at_ms=end),
    }
    for name in names:
        exec(compile(BLOCKS[name], f"contract page: {name}", "exec"), found)
    return found


@pytest.mark.parametrize("name", ["plan", "fleet", "status"])
def test_each_message_shown_is_the_golden_one(name: str) -> None:
    assert json.loads(BLOCKS[name]) == json.loads((GOLDEN / f"{name}.json").read_text())


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
        ("applied", status["applied"]),
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
    ]
    listed = re.findall(r"N:v1:[\w{}:]+", " ".join(row[0] for row in table("key", "type")))
    assert {key.replace("{fleet}", "{T}") for key in ours} == set(listed)


def test_the_signed_message_is_signed_as_the_page_says() -> None:
    message = json.loads(BLOCKS["signed"])
    secret = "a shared secret"
    signature = hmac.new(secret.encode(), message["plan"].encode(), "sha256").hexdigest()
    assert message["sig"] == signature
    assert decode_plan(BLOCKS["signed"], [secret.encode()]) == Plan(target="fleet", rev=7, now_ms=5)
    said = subprocess.run(["sh", "-c", BLOCKS["openssl"]], capture_output=True, check=True)
    assert said.stdout.decode().split()[-1] == signature


def agent_ids(cell: str) -> list[str]:
    return ["" if it == "(none)" else quoted(it) for it in cell.split(", ")]


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
                because=json.loads(because),
            )
            assert lease.reason == reason
        else:
            where = {"deployment.environment.name": "staging" if "staging" in cells[0] else "qa"}
            assert resolve([], where, Baseline(19, {"staging": 49}), None, 0).reason == reason


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
    (said,) = re.findall(r"white space\n\((.*?)\)", PAGE)
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
        "attributes of an agent, names and values together": config.MAX_ATTRIBUTES_BYTES,
        "age of a pushed signed plan": contract.MAX_PUSH_AGE_MS,
        "start of a lease, or `now_ms` of a push, too far from now": contract.SET_BACK_MS,
        "a report when nothing changes": contract.STATUS_INTERVAL_S,
        "from a change to its report, to gather more": subscription.SETTLE_S,
        "an agent is lost": contract.STATUS_LOST_MS,
        "its hash is kept": subscription.AGENTS_TTL_S,
        "plans are read": subscription.RESYNC_S,
        "and at least so far apart": subscription.PAUSE_S,
        "other servers of a cluster are visited": subscription.VISIT_S,
        "any answer, and connecting": subscription.TIMEOUT_S,
        "silence before a `PING`": subscription.PING_S,
        "longest wait before a new session": subscription.LONGEST_BACKOFF_S,
        "a session that lasted": subscription.LASTING_S,
        "first pause after a driver's failure": driving.FIRST_RETRY_S,
        "longest pause after a driver's failure": driving.LONGEST_RETRY_S,
        "a driver that does not return": driving.SLOW_AFTER_S,
        "longest nap of the timer for ends": engine.NAP_S,
        "default of the agent's own baseline": config.DEFAULT_BASELINE_HZ,
        "longest reason in a status": contract.plan.MAX_REASON,
        "longest name of a driver": drivers.MAX_NAME,
        "highest `achieved_hz` that an agent reports": drivers.MAX_ACHIEVED_HZ,
    }
    shown = {row[0]: float(row[1].split()[0]) for row in table("what", "value")}
    assert shown == figures


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_page_s_resolve_gives_every_vector(case: dict[str, Any]) -> None:
    plans = [decode_plan(json.dumps(plan)) for plan in case["plans"]]
    baseline = Baseline.from_json(case["baseline"])
    hz, lease, until_ms, clamped_from = code("shares", "resolve")["resolve"](
        plans, case["attributes"], baseline, case["local_max"], case["now_ms"]
    )
    assert {
        "hz": hz,
        "lease": lease and lease.id,
        "until_ms": until_ms,
        "clamped_from": clamped_from,
    } == case["expect"]


PAGE_RESOLVE = code("shares", "resolve")


@given(
    plans=followed,
    attributes=attributes,
    baseline=baselines,
    local_max=st.none() | hertz,
    now_ms=moments,
)
def test_the_page_s_resolve_is_ours(
    plans: list[Plan],
    attributes: dict[str, str],
    baseline: Baseline,
    local_max: int | None,
    now_ms: int,
) -> None:
    ids = [lease.id for plan in plans for lease in plan.leases]
    assume(len(set(ids)) == len(ids))  # an id names one lease
    arguments = plans, attributes, baseline, local_max, now_ms
    decision = resolve(*arguments)
    hz, lease, until_ms, clamped_from = PAGE_RESOLVE["resolve"](*arguments)
    assert (hz, lease, clamped_from) == (decision.hz, decision.lease, decision.clamped_from)
    assert until_ms == decision.until_ms


@given(leases, st.text(st.characters(exclude_categories=["Cs"])))
def test_the_page_s_share_is_ours(lease: Lease, agent_id: str) -> None:
    assert PAGE_RESOLVE["share"](lease, agent_id) == share(lease, {AGENT: agent_id})
    assert PAGE_RESOLVE["selected"](lease, agent_id) == selects(lease, {AGENT: agent_id})


@given(st.lists(plans_of("fleet"), max_size=6))
def test_the_page_holds_the_plans_that_we_hold(plans: list[Plan]) -> None:
    take = code("take")["take"]
    ours, held = Plans(["fleet"]), None
    for plan in plans:
        ours.take("fleet", encode_plan(plan).encode())
        held = take(held, plan)
        assert ours.known == (held[0],)


@given(leases, moments)
def test_the_page_bounds_a_lease_as_we_do(lease: Lease, now_ms: int) -> None:
    ours = Plans(["fleet"])
    ours.take("fleet", encode_plan(Plan(target="fleet", rev=1, now_ms=0, leases=(lease,))).encode())
    ours.bound(now_ms)
    assert ours.known[0].leases == (code("set_back")["bounded"](lease, now_ms),)


times = st.integers(0, 2**41)
heard = st.tuples(st.just("pushed"), times, times)
answered = st.tuples(st.just("answered"), times, times, st.integers(0, 10_000))


@given(times, times, st.lists(heard | answered, max_size=5))
def test_the_page_s_clock_is_ours(wall: int, steady: int, events: list[Any]) -> None:
    theirs, ours = code("clock")["Clock"](wall, steady), RedisClock(wall, steady)
    for kind, redis_ms, at_ms, *length in events:
        if kind == "pushed":
            theirs.pushed(redis_ms, at_ms)
            ours.hear(redis_ms, at_ms)
        else:
            theirs.answered(redis_ms, at_ms, at_ms + length[0])
            ours.observe(redis_ms, at_ms, at_ms + length[0])
        assert theirs.now_ms(at_ms) == ours.now_ms(at_ms)
        assert theirs.synchronised == ours.synchronised
