"""What a rule test expects, and what it says where that does not come."""

from __future__ import annotations

from rules.trials.read import problems, results
from upshift_rules.leases.limits import Limits


def test_a_test_passes_where_all_is_as_expected() -> None:
    assert problems("""
  - name: a boost is renewed while its alert fires
    alerts:
      - {alert: 'HighCPU{service="a", env="staging"}', fires: 1m, every: 5m, resolves: 14m}
    expect:
      - {at: 0s, leases: [], hz: {}}
      - {at: 1m, hz: {a/2: 99}, leases: [{rule: high_cpu, target: service/a, hz: 99, left: 10m}]}
      - {at: 13m59s, hz: {a/2: 99}, leases: [{left: 7m1s}]}
      - {at: 14m, hz: {}, leases: []}
    history:
      - {at: 1m, event: granted, rule: high_cpu, target: service/a, hz: 99}
      - {at: 6m, event: renewed}
      - {at: 11m, event: renewed}
      - {at: 14m, event: reverted}
""") == []  # fmt: skip


def test_what_comes_otherwise_is_said_with_the_line_that_expected_it() -> None:
    (result,) = results("""
  - name: too hopeful
    alerts:
      - alert: HighCPU{service="a"}
    expect:
      - at: 1m
        hz: {a/1: 100, b/1: 49}
        leases:
          - {rule: high_cpu, hz: 100}
""")
    assert [str(it) for it in result.problems] == [
        "t.yaml:14:13: at 1m a/2 should be at rest, 19 Hz, and runs at 99 Hz",
        "t.yaml:14:19: at 1m a/1 should run at 100 Hz, and runs at 99 Hz",
        "t.yaml:14:29: at 1m b/1 should run at 49 Hz, and runs at 19 Hz",
        "t.yaml:16:13: at 1m a lease is missing: high_cpu, 100 Hz; "
        "there is high_cpu on service/a, 99 Hz, 9m left",
    ]


def test_a_lease_that_nobody_expects_is_a_difference() -> None:
    (said,) = problems("""
  - name: none
    alerts: [{alert: 'Slow{service="b"}'}]
    expect: [{at: 0s, leases: [{rule: slow}]}]
""")
    assert said == "at 0s a lease is too many: slow:wall on service/b, wall 49 Hz, 5m left"


def test_leases_are_found_whatever_their_order_and_however_little_is_said() -> None:
    assert problems("""
  - name: both
    alerts: [{alert: 'Slow{service="b"}'}]
    expect: [{at: 0s, leases: [{hz: 49}, {rule: slow}]}, {at: 1m, leases: [{}, {profile: wall}]}]
""") == []  # fmt: skip


def test_agents_run_no_higher_than_their_own_max_hz_and_each_profile_is_looked_at() -> None:
    alerts = """
  - name: b
    alerts: [{alert: 'HighCPU{service="b"}'}, {alert: 'Slow{service="b"}'}]
    expect: [{at: 0s, hz: {b/1: %s}}]
"""
    assert problems(alerts % "{cpu: 50, wall: 49}") == []
    assert problems(alerts % "50") == [
        "at 0s b/1 should run at 50 Hz, and runs at cpu 50 Hz, wall 49 Hz"
    ]


def test_some_of_several_agents_may_be_expected() -> None:
    alerts = """
  - name: canary
    alerts: [{alert: 'Canary{service="a"}'}]
    expect: [{at: 0s, hz: {%s: 97}}]
"""
    assert problems(alerts % "1 of a/*") == []
    assert problems(alerts % "2 of a/*") == ["at 0s 2 of a/* should run at 97 Hz, and 1 do"]
    assert len(problems(alerts % "a/*")) == 1
    assert 'at 0s there is no agent "c/*", or it is meant above' in problems(alerts % "1 of c/*")


def test_the_history_is_compared_line_by_line_until_the_last_moment_named() -> None:
    test = """
  - name: history
    alerts: [{alert: 'HighCPU{service="a"}', resolves: 3m}]
    history: [%s]
"""
    granted, reverted = "{at: 0s, event: granted, hz: 99}", "{at: 3m, event: reverted}"
    assert problems(test % f"{granted}, {reverted}") == []
    assert problems(test % granted) == [
        "more happens than expected: reverted at 3m: high_cpu on service/a, 99 Hz"
    ]
    assert problems(test % f"{granted}, {reverted}, {{at: 4m, event: expired}}") == [
        "nothing more happens; expected was expired at 4m"
    ]
    assert problems(test % f"{reverted}, {granted}") == [
        "what happens next is granted at 0s: high_cpu on service/a, 99 Hz; "
        "expected was reverted at 3m"
    ]


def test_a_cooldown_passes_in_virtual_time_and_a_month_takes_none() -> None:
    assert problems("""
  - name: flapping
    alerts:
      - {alert: 'Slow{service="b"}', resolves: 1m}
      - {alert: 'Slow{service="b"}', fires: 24m59s, resolves: 25m}
      - {alert: 'Slow{service="b"}', fires: 25m1s}
    expect:
      - {at: 24m59s, leases: []}
      - {at: 25m1s, leases: [{rule: slow}, {rule: slow:wall}]}
      - {at: 31d, leases: []}
""") == []  # fmt: skip


def test_the_limits_of_the_configuration_hold_in_a_test() -> None:
    test = """
  - name: limits
    alerts: [{alert: 'HighCPU{service="a"}'}, {alert: 'HighCPU{service="b"}', fires: 1m}]
    history:
      - {at: 0s, event: granted, target: service/a}
      - {at: 1m, event: %s, target: service/b}
"""
    assert problems(test % "granted", limits=Limits(max_boosted_agents=3)) == []
    assert problems(test % "refused", limits=Limits(max_boosted_agents=2)) == []
    assert problems(test % "refused", limits=Limits(max_boosts_per_hour=1)) == []


def test_a_boost_that_has_ended_makes_room_for_the_next() -> None:
    test = """
  - name: room
    alerts:
      - {alert: 'HighCPU{service="a"}', resolves: 2m}
      - {alert: 'HighCPU{service="b"}', fires: %s}
    history:
      - {at: 0s, event: granted, target: service/a}
      - {at: 2m, event: reverted}
      - {at: %s, event: granted, target: service/b}
"""
    assert problems(test % ("2m1s", "2m1s"), limits=Limits(max_boosted_agents=2)) == []


def test_a_result_tells_all_that_happened_in_words() -> None:
    (result,) = results("""
  - name: story
    alerts: [{alert: 'HighCPU{service="a"}'}, {alert: 'Other{severity="page"}', fires: 1m}]
    expect: [{at: 11m, leases: []}]
""")
    assert [(it.at_ms, it.what) for it in result.story] == [
        (0, 'HighCPU{service="a"} fires'),
        (60_000, 'Other{severity="page"} fires'),
        (600_000, "service/a expired"),
    ]
    assert result.story[0].why == "service/a granted: 99 Hz for 10m"
    assert result.story[1].why.startswith("no_rule: no rule has this trigger")
