"""Each example of rules says in its comment what it would do to a fleet, and does it.

A line is `ALERT → 100 Hz: WHOM`, of profiles other than cpu too `wall 97 Hz, heap 12 an hour`: WHOM
are agents by namespace and environment, `*` for any, or a host agent by its node; `one of` a few is
a canary. Whoever is not named stays at their baseline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

import pytest

from controller.limiting import at_rest
from rules.world import START_MS
from upshift_agent.contract import FLEET, Profile, Status, shown_all
from upshift_agent.contract.resolve import resolve
from upshift_controller.configuration import load
from upshift_controller.leasing.committer import Committer
from upshift_controller.leasing.limiter import Limiter
from upshift_controller.leasing.limiting.books import Books
from upshift_controller.leasing.newcomers import Newcomers
from upshift_controller.leasing.ports import Budgets, Reports, Snapshot, States, Stored
from upshift_controller.leasing.triggers import Triggers
from upshift_rules.guards.answer import NOT_ASKED
from upshift_rules.leases.changes import Change
from upshift_rules.leases.limits import Limits
from upshift_rules.leases.state import TargetState, plan_of
from upshift_rules.matchers import parse_matchers
from upshift_rules.matching import claims_of
from upshift_rules.model import Claim, RuleSet, Trigger

EXAMPLES = sorted((Path(__file__).parents[3] / "rules" / "examples").glob("*.yaml"))
HOME, NODE = "service/checkout", "node/worker-1"
REGIONS = {"shop": "eu-west-1", "bank": "us-east-1"}
AGENTS = {
    f"{namespace}/{environment}": {
        "service.name": "checkout",
        "k8s.namespace.name": namespace,
        "deployment.environment.name": environment,
        "k8s.pod.name": f"{namespace}-{environment}",
        "cloud.region": region,
        "upshift.agent.id": f"{namespace}-{environment}",
    }
    for namespace, region in REGIONS.items()
    for environment in ("production", "staging", "development")
}
HOST_AGENTS = {"worker-1": {"host.name": "worker-1", "upshift.agent.id": "worker-1"}}
REPORTING = {HOME: AGENTS, NODE: HOST_AGENTS}
ABLE: tuple[Profile, ...] = ("cpu", "wall", "heap")


class Fleet:
    """Where a controller finds states and reports: without leases yet, all agents alive."""

    async def read(self, targets: Sequence[str]) -> Snapshot:
        return Snapshot(START_MS * 1000, {it: TargetState(target=it) for it in targets})

    async def known_targets(self) -> list[str]:
        return [*REPORTING, FLEET]

    async def statuses(self, targets: Sequence[str]) -> Mapping[str, Sequence[Status]]:
        return {it: [*map(_status, REPORTING.get(it, {}).values())] for it in targets}


class NoBudget:
    async def read(self) -> Stored:
        return Stored({}, "")


def _status(attributes: Mapping[str, str]) -> Status:
    return at_rest(attributes["upshift.agent.id"], attributes, START_MS, *ABLE)


def _lines() -> Iterator[tuple[Path, str, str]]:
    for example in EXAMPLES:
        for line in example.read_text(encoding="utf-8").splitlines():
            if said := re.fullmatch(r"#   (\w+\{.*\}) → (.*)", line):
                yield example, said[1], said[2]


LINES = list(_lines())


def alert_of(text: str) -> Trigger:
    name, _, labels = text.rstrip("}").partition("{")
    named = {it.label: it.equals or "" for it in parse_matchers(labels)} if labels else {}
    labels_of = {"alertname": name, **named}
    return Trigger(status="firing", labels=labels_of, identity="f", starts_at_ms=START_MS)


def test_every_example_says_what_it_would_do() -> None:
    assert {example for example, _, _ in LINES} == set(EXAMPLES)


@pytest.mark.parametrize(("example", "alert", "said"), LINES, ids=lambda it: f"{it}"[-60:])
async def test_an_example_does_what_its_comment_says(example: Path, alert: str, said: str) -> None:
    configuration = load(example)  # as `check` and `serve` do
    rules, trigger = configuration.rules, alert_of(alert)
    fleet = Fleet()
    books = Books(
        cast("Budgets", NoBudget()),
        cast("Reports", fleet),
        baseline=lambda: rules.baseline,
        limits=lambda: Limits(max_frequency_hz=rules.max_frequency_hz),
    )
    limiter = Limiter(books)
    states = cast("States", fleet)
    committer = Committer(states, limiter, committed=lambda _: None)
    (account,) = await Triggers(states, committer, lambda: rules, Newcomers(lambda: 1)).explain(
        [trigger]
    )
    raised = await _raised(rules, limiter, fleet, trigger)
    granted = {it.profile: it.hz for it in account.outcomes if it.outcome == "granted" and it.hz}
    if said == "nobody":
        assert raised == {}
        return
    frequencies, whom = said.split(": ")
    assert {*raised.values()} == {shown_all(cast("dict[Profile, float]", granted))} == {frequencies}
    several = whom.removeprefix("one of ")
    meant = {
        it
        for it in (*AGENTS, *HOST_AGENTS)
        if any(fnmatchcase(it, pattern) for pattern in several.split(", "))
    }
    if whom == several:
        assert set(raised) == meant
    else:
        assert len(raised) == 1
        assert set(raised) < meant


async def _raised(
    rules: RuleSet, limiter: Limiter, fleet: Fleet, trigger: Trigger
) -> dict[str, str]:
    """The agents above their baseline once the claims of an alert are granted, and how far."""
    changes: dict[str, list[Change]] = {}
    for it in claims_of(rules, trigger):
        if isinstance(it, Claim):
            it = it._replace(guards=it.guards and it.guards._replace(answer=NOT_ASKED))
            changes.setdefault(it.target, []).append(it)
    steps = await limiter.steps(await fleet.read([*changes]), changes)
    plans = {target: plan_of(step.state, START_MS) for target, step in steps.items()}

    def hz(profile: Profile, attributes: Mapping[str, str], *followed: str) -> int:
        mine = [plans[it] for it in followed if it in plans]
        return resolve(mine, attributes, rules.baseline, None, START_MS, profile).hz

    found = {
        name: {it: now for it in ABLE if (now := hz(it, at, home, FLEET)) > hz(it, at)}
        for home, agents in REPORTING.items()
        for name, at in agents.items()
    }
    return {name: shown_all(now) for name, now in found.items() if now}
