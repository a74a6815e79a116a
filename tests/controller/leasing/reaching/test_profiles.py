"""What a lease raises: rules and overrides for each kind of profile, and whom they reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from controller.conftest import Running, Start, alert
from controller.limiting import KEYS, at_rest, budget, override
from rules.world import HIGH_CPU, START_MS
from rules.world import alert as trigger
from upshift_agent.contract import Baseline, Profile, Status, decode_plan, encode_status
from upshift_controller.leasing.limiter import Limiter
from upshift_controller.leasing.limiting.books import Books
from upshift_controller.leasing.ports import Snapshot, Stored
from upshift_rules.leases.agents import Living
from upshift_rules.leases.limiting.reservations import Budget
from upshift_rules.leases.limits import Limits
from upshift_rules.leases.state import TargetState
from upshift_rules.model import Claim

HOME = "service/checkout"
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m, profile: [cpu, wall]}
"""
LIMITS = "limits: {max_boosted_agents: 3}\n"
ABOUT = alert({"alertname": "HighCPU", "service_name": "checkout"})
NOBODY = "; no agent of service/checkout can raise wall"


def report(running: Running, *agents: tuple[Profile, ...]) -> None:
    """Live agents, each with what it can raise."""
    now_ms = running.redis.time()[0] * 1000
    for number, profiles in enumerate(agents):
        status = at_rest(f"checkout-{number}", {}, now_ms, *profiles)
        running.redis.hset(KEYS.agents(HOME), status.instance, encode_status(status))
    running.redis.zadd(KEYS.reporting, {HOME: now_ms})


def reasons(body: Any) -> list[str]:
    return [outcome["reason"] for outcome in body["alerts"][0]["outcomes"]]


@pytest.mark.parametrize("limits", ["", LIMITS])
async def test_what_no_agent_can_raise_is_granted_and_every_answer_says_so(
    start: Start, limits: str
) -> None:
    async with start(RULES + limits) as running:
        report(running, ("cpu",), ("cpu", "heap"))
        said = ["99 Hz for 10m", f"wall 99 Hz for 10m{NOBODY}"]
        explained = (await running.ask("POST", "/api/v1/explain", json=ABOUT)).body
        assert reasons(explained) == said
        assert explained["alerts"][0]["rules"][0]["profiles"] == ["cpu", "wall"]
        assert len(explained["alerts"][0]["rules"]) == 1, "they match alike"
        assert reasons((await running.notify(ABOUT)).body) == said
        leases = await running.leases()
        assert sorted(it["profile"] for it in leases) == ["cpu", "wall"]
        history = (await running.ask("GET", f"/api/v1/history?target={HOME}")).body["entries"]
        assert sorted(it["reason"].endswith(NOBODY) for it in history) == [False, True]
        operators = await override(running, profile="wall")
        assert operators.body["outcome"]["reason"] == f"boost wall 99 Hz for 10m{NOBODY}"


async def test_nothing_is_said_of_what_somebody_can_raise_or_where_nobody_lives(
    start: Start,
) -> None:
    async with start(RULES) as running:
        assert not any(NOBODY in it for it in reasons((await running.notify(ABOUT)).body))
        await running.ask("DELETE", f"/api/v1/targets/{HOME}/leases")
        report(running, ("cpu",), ("wall",))
        again = alert(ABOUT["labels"], fingerprint="another")
        assert reasons((await running.notify(again)).body) == [
            "99 Hz for 10m",
            "wall 99 Hz for 10m",
        ]


async def test_boosts_of_two_profiles_boost_an_agent_once(start: Start) -> None:
    async with start(RULES + LIMITS) as running:
        report(running, ("cpu", "wall"), ("cpu", "wall"), ("cpu",))
        answer = await running.notify(ABOUT)
        assert answer.body["counts"] == {"granted": 2}
        assert sorted(row[2] for row in budget(running).values()) == [2, 3]
        scrape = await running.ask("GET", "/metrics")
        assert "upshift_boosted_agents_reserved 3.0\n" in scrape.body


async def test_an_override_is_for_cpu_and_a_kill_switch_for_all_unless_it_names_a_profile(
    upshift: Running,
) -> None:
    async def granted(**asked: Any) -> tuple[str, str]:
        (outcome,) = (await override(upshift, **asked)).body.values()
        return outcome["profile"], outcome["reason"].partition(";")[0]

    assert await granted() == ("cpu", "boost 99 Hz for 10m")
    assert await granted(profile="heap") == ("heap", "boost heap 99 an hour for 10m")
    assert await granted(kind="pin", hz=0) == ("cpu", "pin 0 Hz for 10m")
    assert await granted(kind="cap", hz=9) == ("cpu", "cap 9 Hz for 10m")
    assert await granted(kind="cap", hz=0) == ("all", "cap 0 Hz for 10m")
    assert await granted(kind="cap", hz=0, profile="cpu") == ("cpu", "cap cpu 0 Hz for 10m")
    assert await granted(kind="cap", hz=9, profile="all") == ("all", "cap all 9 Hz for 10m")


async def test_the_fleets_plan_follows_the_baselines_of_every_profile(
    start: Start, tmp_path: Path
) -> None:
    sampling = "sampling: {{default: 19, profiles: {{heap: {}}}}}\n"
    async with start(sampling.format(4)) as running:

        def baseline() -> Baseline | None:
            return decode_plan(running.redis.get(KEYS.plan("fleet"))).baseline

        assert baseline() == Baseline(19, {}, {"heap": 4})
        (tmp_path / "upshift.yaml").write_text(sampling.format(6))
        await running.controller.reload()
        assert baseline() == Baseline(19, {}, {"heap": 6})
        history = (await running.ask("GET", "/api/v1/history?target=fleet")).body["entries"]
        assert history[0]["reason"] == "baseline 19 Hz by default, heap 6 an hour"


@dataclass
class Asked:
    """Budgets and reports that note who asks. Every agent can raise cpu and wall."""

    targets: list[str] = field(default_factory=list)

    async def known_targets(self) -> list[str]:
        return [HOME]

    async def live(self) -> Mapping[str, Living]:
        both = Living(1, frozenset(), frozenset({"cpu", "wall"}))
        return {HOME: both, "fleet": both}

    async def statuses(self, targets: Sequence[str]) -> Mapping[str, Sequence[Status]]:
        self.targets += targets
        return {it: [at_rest("a", {}, START_MS, "cpu", "wall")] for it in targets}

    async def read(self) -> Stored:
        return Stored({}, "")

    async def replace(self, before: Stored, budget: Budget, now_ms: int) -> bool:
        return True


async def test_agents_are_asked_only_where_none_was_seen_that_can_raise_a_profile() -> None:
    asked = Asked()
    books = Books(asked, asked, baseline=lambda: Baseline(19), limits=Limits)
    limiter = Limiter(books)

    async def told(profile: Profile) -> list[str]:
        asked.targets.clear()
        claim = Claim(replace(HIGH_CPU, profile=profile), trigger(), HOME, {})
        snapshot = Snapshot(START_MS * 1000, {HOME: TargetState(target=HOME)})
        (outcome,) = (await limiter.steps(snapshot, {HOME: [claim]}))[HOME].outcomes
        assert outcome.reason.endswith("can raise heap") is (profile == "heap")
        return list(asked.targets)

    assert [await told("cpu"), await told("wall")] == [[], [HOME]], "nobody has looked yet"
    await books.census.look()
    assert [await told("cpu"), await told("wall"), await told("heap")] == [[], [], [HOME]]
