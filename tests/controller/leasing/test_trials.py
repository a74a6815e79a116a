"""A trial comes to what a controller would answer, for any webhook, fleet and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.limiting import at_rest
from upshift_agent.contract import FLEET, Profile, Status
from upshift_controller.leasing.committer import Committer
from upshift_controller.leasing.limiter import Limiter
from upshift_controller.leasing.limiting.books import Books
from upshift_controller.leasing.newcomers import Newcomers
from upshift_controller.leasing.ports import Budgets, Reports, Snapshot, States, Stored
from upshift_controller.leasing.triggers import Triggers
from upshift_controller.storage.reports.tally import Tally
from upshift_rules.documents.document import read_rules
from upshift_rules.leases.agents import Living
from upshift_rules.leases.limits import Limits
from upshift_rules.leases.state import TargetState
from upshift_rules.model import Outcome, Trigger
from upshift_rules.trials.fleet import Fleet, Member, member
from upshift_rules.trials.trial import Notice, Trial

NOW_MS = 1_795_395_815_000
#: An agent: its service, attributes and profiles, and whether it says on which node it is.
Drawn = tuple[str, dict[str, str], tuple[Profile, ...], bool]
RULES = read_rules(
    """
sampling:
  environments: {staging: 60}
  on_alert:
    - {trigger: cpu, frequency: 99, duration: 10m, on_resolved: revert}
    - {trigger: slow, profile: [cpu, wall], frequency: 49, duration: 5m, cooldown: 20m}
    - {trigger: canary, frequency: 97, duration: 10m, scope: target, fraction: 0.3}
    - {trigger: pod, frequency: 97, duration: 10m, scope: instance}
    - {trigger: busy_node, frequency: 50, duration: 10m, target: node}
    - {trigger: outage, frequency: 30, duration: 10m, target: fleet}
    - {trigger: paged, match: ['alertname="cpu"', severity="page"], frequency: 199, duration: 1m}
""",
    "rules.yaml",
).document.sampling.rule_set()


class Reporting:
    """Where a controller finds states and reports: no leases yet, all agents alive."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._by_home: dict[str, list[Status]] = {}
        for it in members:
            status = at_rest(it.name, it.attributes, NOW_MS, *cast("list[Profile]", it.profiles))
            self._by_home.setdefault(it.home, []).append(status)

    async def read(self, targets: Sequence[str]) -> Snapshot:
        return Snapshot(NOW_MS * 1000, {it: TargetState(target=it) for it in targets})

    async def known_targets(self) -> list[str]:
        return [*self._by_home, FLEET]

    async def statuses(self, targets: Sequence[str]) -> Mapping[str, Sequence[Status]]:
        return {it: self._by_home.get(it, []) for it in targets}

    async def live(self) -> Mapping[str, Living]:
        tally = Tally(NOW_MS)
        for home, several in self._by_home.items():
            for status in several:
                tally.add(home, status)
        return tally.living()


class NothingReserved:
    async def read(self) -> Stored:
        return Stored({}, "")


async def answers(
    members: Sequence[Member], limits: Limits, triggers: Sequence[Trigger]
) -> list[Sequence[Outcome]]:
    """What a controller says that these alerts would do."""
    reporting = Reporting(members)
    books = Books(
        cast("Budgets", NothingReserved()),
        cast("Reports", reporting),
        baseline=lambda: RULES.baseline,
        limits=lambda: limits,
    )
    await books.census.look()
    states = cast("States", reporting)
    committer = Committer(states, Limiter(books), committed=lambda _: None)
    told = Triggers(states, committer, lambda: RULES, Newcomers(lambda: 1000))
    return [account.outcomes for account in await told.explain(triggers)]


environments = st.sampled_from([{}, {"env": "production"}, {"env": "staging"}])
alerts = st.builds(
    lambda name, of, environment, more, status, number: Trigger(
        status,
        {"alertname": name, "service": of, "node": f"n-{of}", **environment, **more},
        f"{number}",
        NOW_MS - 60_000,
        NOW_MS if status == "resolved" else 0,
    ),
    st.sampled_from(["cpu", "slow", "canary", "pod", "busy_node", "outage", "other"]),
    st.sampled_from(["a", "b", "nobody"]),
    environments,
    st.sampled_from([{}, {"severity": "page"}, {"pod": "p0"}, {"cluster": "eu-1"}]),
    st.sampled_from(["firing", "firing", "firing", "resolved"]),
    st.integers(0, 5),
)
agents = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from([{}, {"deployment.environment.name": "production"}]),
        st.sampled_from([("cpu",), ("cpu", "wall"), ("wall",)]),
        st.booleans(),
    ),
    max_size=8,
)
limits = st.one_of(
    st.just(Limits(by_share=True, max_frequency_hz=100)),
    st.builds(lambda most: Limits(max_boosted_agents=most), st.integers(1, 6)),
    st.builds(lambda most: Limits(max_boosts_per_hour=most, by_share=True), st.integers(1, 2)),
    st.just(Limits()),
)


def members_of(
    several: Sequence[Drawn],
) -> list[Member]:
    return [
        member(
            f"{service}{number}",
            {"service.name": service, "k8s.pod.name": f"p{number}", **attributes}
            | ({"k8s.node.name": f"n-{service}"} if on_a_node else {}),
            profiles,
        )
        for number, (service, attributes, profiles, on_a_node) in enumerate(several)
    ]


@settings(max_examples=150)
@given(agents, limits, st.lists(alerts, min_size=1, max_size=8))
def test_a_trial_comes_to_what_a_controller_answers(
    several: Sequence[Drawn],
    most: Limits,
    triggers: list[Trigger],
) -> None:
    members = members_of(several)
    trial = Trial(RULES, most, Fleet(members))
    mine = trial.tell(Notice(NOW_MS, triggers))
    theirs = asyncio.run(answers(members, most, triggers))
    assert [[_known(it) for it in row] for row in mine] == [
        [_known(it) for it in row] for row in theirs
    ]


def _known(it: Outcome) -> tuple[object, ...]:
    # A trial does not look for the nearest trigger.
    reason = "" if it.outcome == "no_rule" else it.reason
    return it.outcome, reason, it.rule, it.target, it.lease, it.hz, it.profile, it.until_ms
