"""An alert's namespace and cluster narrow its boost, as far as live agents say theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from controller.conftest import Running, Start, alert
from controller.limiting import at_rest
from rules.world import HIGH_CPU, START_MS
from rules.world import alert as trigger
from upshift_agent.contract import (
    Baseline,
    Keys,
    Status,
    encode_status,
)
from upshift_controller.leasing.limiter import Limiter
from upshift_controller.leasing.limiting.books import Books
from upshift_controller.leasing.ports import Living, Snapshot, Stored
from upshift_rules.leases.limiting.reservations import Budget
from upshift_rules.leases.limits import Limits
from upshift_rules.leases.state import TargetState
from upshift_rules.model import Claim

KEYS = Keys()
HOME = "service/checkout"
RULES = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m}
"""
LIMITS = "limits: {max_boosted_agents: 100}\n"
ABOUT = alert(
    {
        "alertname": "HighCPU",
        "service_name": "checkout",
        "environment": "production",
        "namespace": "shop",
        "cluster": "eu-1",
    }
)
SHOP = {"deployment.environment.name": "production", "k8s.namespace.name": "shop"}
LEFT_OUT = "; not narrowed to k8s.cluster.name 'eu-1', which no live agent reports"


def report(running: Running, *agents: Mapping[str, str]) -> None:
    now_ms = running.redis.time()[0] * 1000
    for number, attributes in enumerate(agents):
        message = encode_status(at_rest(f"checkout-{number}", attributes, now_ms))
        running.redis.hset(KEYS.agents(HOME), f"{number}", message)


@pytest.mark.parametrize("limits", ["", LIMITS])
async def test_outcome_history_and_explain_say_what_was_left_out(start: Start, limits: str) -> None:
    async with start(RULES + limits) as running:
        report(running, SHOP, SHOP | {"k8s.namespace.name": "bank"})
        answer = await running.ask("POST", "/api/v1/explain", json=ABOUT)
        (account,) = answer.body["alerts"]
        assert account["outcomes"][0]["reason"] == f"99 Hz for 10m{LEFT_OUT}"
        assert account["rules"][0]["reason"] == (
            "alertname is 'HighCPU'; it names no service namespace, so agents of any are meant"
        )
        answer = await running.notify(ABOUT)
        assert answer.body["alerts"][0]["outcomes"][0]["reason"] == f"99 Hz for 10m{LEFT_OUT}"
        (boost,) = await running.leases()
        assert boost["where"] == SHOP
        history = await running.ask("GET", f"/api/v1/history?target={HOME}")
        assert history.body["entries"][0]["reason"].endswith(LEFT_OUT)
        report(running, SHOP | {"k8s.cluster.name": "eu-1"})
        answer = await running.notify(ABOUT)
        assert answer.body["alerts"][0]["outcomes"][0]["outcome"] == "repeat"


@dataclass
class Asked:
    """Budgets and reports that note who asks."""

    targets: list[str] = field(default_factory=list)

    async def known_targets(self) -> list[str]:
        return [HOME]

    async def statuses(self, targets: Sequence[str]) -> Mapping[str, Sequence[Status]]:
        self.targets += targets
        return {it: [at_rest("a", SHOP, START_MS)] for it in targets}

    async def read(self) -> Stored:
        return Stored({}, "")

    async def replace(self, before: Stored, budget: Budget, now_ms: int) -> bool:
        return True

    async def live(self) -> Mapping[str, Living]:
        return {}


@pytest.mark.parametrize("limits", [Limits(), Limits(max_boosts_per_hour=9)])
async def test_agents_are_asked_only_where_a_boost_is_granted_whose_scope_may_be_softened(
    limits: Limits,
) -> None:
    asked = Asked()
    books = Books(asked, asked, baseline=lambda: Baseline(19), limits=lambda: limits)
    limiter = Limiter(books)
    state = TargetState(target=HOME)

    async def told(soft: tuple[str, ...]) -> list[str]:
        nonlocal state
        asked.targets.clear()
        claim = Claim(HIGH_CPU, trigger(), HOME, dict(SHOP), soft)
        snapshot = Snapshot(START_MS * 1000, {HOME: state})
        state = (await limiter.steps(snapshot, {HOME: [claim]}))[HOME].state
        return list(asked.targets)

    assert await told(()) == [], "nothing of its scope may be softened"
    state = TargetState(target=HOME)
    assert await told(tuple(SHOP)) == [HOME]
    assert await told(tuple(SHOP)) == [], "a repeat grants nothing"


async def test_where_nobody_lived_at_the_last_look_the_commit_makes_sure_in_place_of_asking() -> (
    None
):
    asked = Asked()
    books = Books(asked, asked, baseline=lambda: Baseline(19), limits=Limits)
    limiter = Limiter(books)
    claim = Claim(HIGH_CPU, trigger(), HOME, dict(SHOP), tuple(SHOP))
    snapshot = Snapshot(START_MS * 1000, {HOME: TargetState(target=HOME)})
    unsure: set[str] = set()
    await limiter.steps(snapshot, {HOME: [claim]}, alone=unsure)
    assert (asked.targets, unsure) == ([HOME], set()), "nobody has looked yet"
    asked.targets.clear()
    books = Books(asked, asked, baseline=lambda: Baseline(19), limits=Limits)
    await books.census.look()
    await Limiter(books).steps(snapshot, {HOME: [claim]}, alone=unsure)
    assert (asked.targets, unsure) == ([], {HOME})
    await Limiter(books).steps(snapshot, {HOME: [claim]})
    assert asked.targets == [HOME]


async def test_an_agent_that_came_since_the_last_look_is_not_missed(start: Start) -> None:
    """One after the other, so that some alerts at least come after a look and before the next."""
    async with start(RULES + "limits: {max_boosted_agents: unlimited}\n") as running:
        await running.notify(alert({"alertname": "HighCPU", "service_name": "other"}))
        now_ms = running.redis.time()[0] * 1000
        for number in range(20):
            service = f"late-{number}"
            message = encode_status(at_rest("a", SHOP | {"service.name": service}, now_ms))
            running.redis.hset(KEYS.agents(f"service/{service}"), "1", message)
            about = ABOUT["labels"] | {"service_name": service}
            answer = await running.notify(alert(about))
            assert answer.body["alerts"][0]["outcomes"][0]["reason"] == f"99 Hz for 10m{LEFT_OUT}"
