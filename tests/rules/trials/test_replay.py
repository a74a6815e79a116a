"""A replay, beside the same worked out another way: by intervals, without leases or plans.

Long, because all of it is worked out from the same storms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upshift_agent.contract import Baseline
from upshift_rules.cost import Coefficients
from upshift_rules.leases.limits import Limits
from upshift_rules.model import BadTrigger, Rule, RuleSet
from upshift_rules.trials.beside.assuming import assumed
from upshift_rules.trials.fleet import Fleet, alike, member
from upshift_rules.trials.past import Firing, notices
from upshift_rules.trials.replay import Replayed, Ruled, replay
from upshift_rules.trials.timeline import columns
from upshift_rules.trials.trial import Notice

START_MS = 1_795_395_815_000
MINUTE = 60_000
END_MS = START_MS + 300 * MINUTE
HIGH_CPU = Rule(
    name="high_cpu",
    trigger="high_cpu",
    frequency_hz=100,
    duration_ms=10 * MINUTE,
    max_duration_ms=25 * MINUTE,
)
SLOW = Rule(
    name="slow",
    trigger="slow",
    frequency_hz=49,
    duration_ms=15 * MINUTE,
    max_duration_ms=15 * MINUTE,
)
RULES = RuleSet(baseline=Baseline(19), rules=(HIGH_CPU, SLOW))
SERVICES = {"a": 1, "b": 2, "c": 5}
FLEET = Fleet(
    member(f"{service}/{number}", {"service.name": service})
    for service, count in SERVICES.items()
    for number in range(count)
)


def firing(name: str, service: str, at: float, lasts: float | None = 5, pod: int = 0) -> Firing:
    """at, lasts: in minutes."""
    labels = {"alertname": name, "service": service, "pod": str(pod)}
    starts_ms = START_MS + round(at * MINUTE)
    return Firing(labels, starts_ms, None if lasts is None else starts_ms + round(lasts * MINUTE))


#: The first two agents of each service have a node's profiler in common.
SHARING = Fleet(
    replace(it, profiler=f"node {number}" if (number := int(it.name[2:])) < 2 else None)
    for it in FLEET.members
)


def replayed(
    several: Sequence[Firing],
    limits: Limits | None = None,
    rules: RuleSet = RULES,
    fleet: Fleet = FLEET,
) -> Replayed:
    told = notices(several, END_MS)
    return replay(told, Ruled(rules, limits or Limits()), fleet, Coefficients(), START_MS, END_MS)


storms = st.lists(
    st.builds(
        firing,
        st.sampled_from(["HighCPU", "Slow", "Other"]),
        st.sampled_from([*SERVICES, "nobody"]),
        st.integers(0, 200),
        st.integers(1, 40),
        st.integers(0, 3),
    ),
    max_size=25,
    unique_by=lambda it: (tuple(it.labels.values()), it.starts_at_ms),
)


def episodes(several: Sequence[Firing]) -> list[Firing]:
    """Those of one alert never overlap: it resolves before it fires again."""
    ends: dict[object, int] = {}
    found = []
    for it in sorted(several, key=lambda it: it.starts_at_ms):
        key = tuple(it.labels.values())
        if it.starts_at_ms > ends.get(key, 0):
            found.append(it)
            ends[key] = it.ends_at_ms or END_MS
    return found


Spans = dict[tuple[str, str], list[list[int]]]


def boosts_by_intervals(several: Sequence[Firing]) -> Spans:
    """By rule and service: the boosts, from when to when."""
    found: Spans = defaultdict(list)
    for it in sorted(several, key=lambda it: it.starts_at_ms):
        rule = {"HighCPU": HIGH_CPU, "Slow": SLOW}.get(it.labels["alertname"])
        if rule is None:
            continue
        spans, at_ms = found[rule.name, it.labels["service"]], it.starts_at_ms
        if spans and at_ms < spans[-1][1]:
            begun_ms, end_ms = spans[-1]
            longer_ms = min(at_ms + rule.duration_ms, begun_ms + rule.max_duration_ms)
            spans[-1][1] = max(end_ms, longer_ms)
        else:
            spans.append([at_ms, at_ms + rule.duration_ms])
    return found


def levels(spans: Spans) -> Iterator[tuple[int, dict[str, int]]]:
    """For each minute, its length and what each service's agents run at. All begins at minutes."""
    for at_ms in range(START_MS, END_MS, MINUTE):
        yield (
            MINUTE,
            {
                service: max(
                    [19]
                    + [
                        {"high_cpu": 100, "slow": 49}[rule]
                        for (rule, of), several in spans.items()
                        if of == service and any(a <= at_ms < b for a, b in several)
                    ]
                )
                for service in SERVICES
            },
        )


@settings(max_examples=60)
@given(storms)
def test_a_replay_comes_to_the_same_as_intervals(storm: list[Firing]) -> None:
    several = episodes(storm)
    found, spans = replayed(several), boosts_by_intervals(several)
    for rule in ("high_cpu", "slow"):
        mine = [it for (name, _), all_ in spans.items() if name == rule for it in all_]
        by_rule = found.by_rule[rule]
        assert by_rule.boosts == len(mine)
        assert by_rule.lasted_ms == sum(b - a for a, b in mine)
    boosted_ms = hz_ms = most = 0
    for length_ms, hz in levels(spans):
        raised = sum(SERVICES[service] for service, it in hz.items() if it > 19)
        boosted_ms += raised * length_ms
        most = max(most, raised)
        hz_ms += sum(SERVICES[service] * it for service, it in hz.items()) * length_ms
    assert (found.boosted_ms, found.most) == (boosted_ms, most)
    assert found.hz_s == pytest.approx(hz_ms / 1000)
    per_core = Coefficients().cpu_percent.per_hz / 100
    assert found.bill.cpu_core_s == pytest.approx(found.hz_s * per_core)


@settings(max_examples=60)
@given(storms)
def test_a_profiler_that_agents_share_costs_once_and_runs_at_the_highest(
    storm: list[Firing],
) -> None:
    several = episodes(storm)
    found = replayed(several, fleet=SHARING)
    hz_ms = most = 0
    for length_ms, hz in levels(boosts_by_intervals(several)):
        first, second, alone = max(hz.values()), max(hz["b"], hz["c"]), hz["c"]
        hz_ms += (first + second + 3 * alone) * length_ms
        most = max(most, (first > 19) + (second > 19) + 3 * (alone > 19))
    assert (found.hz_s, found.most) == (pytest.approx(hz_ms / 1000), most)


@settings(max_examples=60)
@given(storms, st.integers(1, 8))
def test_a_limit_holds_at_every_moment_of_a_replay(storm: list[Firing], most: int) -> None:
    for fleet in (FLEET, SHARING):
        found = replayed(episodes(storm), Limits(max_boosted_agents=most), fleet=fleet)
        assert found.most <= most


@settings(max_examples=40)
@given(storms)
def test_alike_agents_in_one_come_to_the_same_as_each_by_itself(storm: list[Firing]) -> None:
    several = notices(episodes(storm), END_MS)
    fewer = Fleet(alike(FLEET.members, [RULES]))
    assert len(fewer.members) == len(SERVICES)
    one, other = (
        replay(
            several, Ruled(RULES, Limits(by_share=True)), fleet, Coefficients(), START_MS, END_MS
        )
        for fleet in (FLEET, fewer)
    )
    assert (one.boosted_ms, one.most, one.by_rule) == (other.boosted_ms, other.most, other.by_rule)
    assert (one.bill, one.fates) == (other.bill, other.fates)


@settings(max_examples=40)
@given(storms, st.integers(1, 50))
def test_the_time_line_shows_the_most_agents_of_each_column(
    storm: list[Firing], count: int
) -> None:
    several = episodes(storm)
    found = replayed(several)
    shown = columns(found.stretches, FLEET, START_MS, END_MS, count)
    wanted = [0] * count
    for number, (_, hz) in enumerate(levels(boosts_by_intervals(several))):
        raised = sum(SERVICES[service] for service, it in hz.items() if it > 19)
        # A minute may lie in several columns, and touches no other.
        first, last = (
            it * count // (END_MS - START_MS) for it in (number * MINUTE, (number + 1) * MINUTE - 1)
        )
        for column in range(first, last + 1):
            wanted[column] = max(wanted[column], raised)
    assert shown == wanted
    assert max(shown, default=0) == found.most


def test_every_alert_has_one_fate_and_those_without_a_rule_are_named() -> None:
    found = replayed(
        [
            firing("HighCPU", "a", 0),
            firing("HighCPU", "a", 1, pod=2),
            firing("Other", "a", 2),
            firing("Other", "b", 3),
            firing("HighCPU", "", 4),
        ]
    )
    assert {fate: count for fate, count in found.fates.items() if count} == {
        "boosted": 2, "no_rule": 2, "no_target": 1,
    }  # fmt: skip
    assert found.names["no_rule"] == {"Other": 2}
    assert found.names["no_target"] == {"HighCPU": 1}


def test_repeats_are_no_alerts_of_their_own_and_renew_where_a_rule_says_so() -> None:
    long = [firing("HighCPU", "a", 0, lasts=None)]
    told = notices(long, END_MS, repeat_ms=9 * MINUTE)
    assert [it.at_ms for it in told] == [START_MS + n * 9 * MINUTE for n in range(34)]
    rules = RuleSet(baseline=Baseline(19), rules=(_while_firing(),))
    found = replay(told, Ruled(rules, Limits()), FLEET, Coefficients(), START_MS, END_MS)
    assert sum(found.fates.values()) == 1
    assert found.by_rule["high_cpu"].renewed == 2
    assert found.lasted_ms == 25 * MINUTE


def _while_firing() -> Rule:
    fields = {name: getattr(HIGH_CPU, name) for name in HIGH_CPU.__slots__}
    return Rule(**fields | {"while_firing": True})


def test_alerts_that_fire_to_the_end_keep_their_boosts_until_then() -> None:
    found = replayed([firing("Slow", "b", 295, lasts=None)])
    assert (found.boosts, found.lasted_ms, found.boosted_ms) == (1, 5 * MINUTE, 10 * MINUTE)


def test_an_assumed_fleet_has_an_agent_for_each_scope_that_alerts_name() -> None:
    labels = [
        {"alertname": "HighCPU", "service": "a", "namespace": "shop"},
        {"alertname": "HighCPU", "service": "a", "namespace": "shop", "pod": "x"},
        {"alertname": "HighCPU", "service": "a", "namespace": "bank"},
        {"alertname": "Other", "service": "b"},
    ]
    told = notices([Firing(it, START_MS, None) for it in labels], END_MS)
    found = assumed(told, [RULES], 3)
    assert [(it.home, it.attributes["k8s.namespace.name"], it.count) for it in found] == [
        ("service/a", "shop", 3),
        ("service/a", "bank", 3),
    ]


def test_an_alert_that_cannot_be_read_is_one_too() -> None:
    told = [Notice(START_MS, [BadTrigger("no labels")])]
    found = replay(told, Ruled(RULES, Limits()), FLEET, Coefficients(), START_MS, END_MS)
    assert found.fates["invalid"] == 1
