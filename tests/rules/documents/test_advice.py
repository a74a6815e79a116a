"""What `upshift check` warns of, and what it leaves in peace."""

from pathlib import Path

import pytest
import yaml

from upshift_rules.documents.advice import advise, lock_step, out_of_step
from upshift_rules.documents.document import read_rules
from upshift_rules.durations import parse_duration

ANY = "'alertname=~\".+\"'"
HEAD = "sampling:\n  default: 19\n"


def advice_on(text: str) -> list[str]:
    return [str(it) for it in advise(read_rules(text, "f"))]


def advice_on_rule(*fields: str, before: str = "") -> list[str]:
    """Advice on a rule at line 4, its fields from line 5 on."""
    given = ["duration: 10m", *fields]
    if not any(field.startswith("frequency") for field in given):
        given.append("frequency: 99")
    rule = "".join(f"      {field}\n" for field in given)
    return advice_on(f"{HEAD}  on_alert:\n    - trigger: high_cpu\n{rule}{before}")


def test_the_users_block_gets_the_warning_about_100_hz_and_no_other() -> None:
    text = (Path(__file__).parents[3] / "rules/examples/sampling.yaml").read_text()
    assert advice_on(text) == [
        "f:6:18: 100 Hz samples every 10 ms, in lock-step with timers of that period; "
        "99 or 97 Hz are not (nothing was changed)"
    ]


@pytest.mark.parametrize("hz", [1, 2, 4, 5, 8, 10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000])
def test_a_period_of_whole_milliseconds_is_in_lock_step(hz: int) -> None:
    assert f"every {1000 // hz} ms" in str(lock_step(hz))


@pytest.mark.parametrize("hz", [300, 400, 600, 700, 800, 900])
def test_a_multiple_of_100_hz_sees_few_points_of_a_10_ms_timer(hz: int) -> None:
    assert f"at the same {hz // 100} points" in str(lock_step(hz))


@pytest.mark.parametrize("hz", [0, 3, 7, 9, 11, 19, 47, 49, 97, 99, 101, 199, 251, 499, 997, 999])
def test_odd_frequencies_are_not(hz: int) -> None:
    assert lock_step(hz) is None


def test_what_is_suggested_is_never_in_lock_step_itself() -> None:
    assert out_of_step(100) == "99 or 97"
    for hz in range(1, 1001):
        for suggested in out_of_step(hz).split(" or "):
            assert lock_step(int(suggested)) is None


def test_baselines_are_looked_at_as_well() -> None:
    rule = "  on_alert: [{trigger: a, frequency: 999, duration: 1m}]\n"
    text = f"sampling:\n  default: 20\n  environments: {{development: 100}}\n{rule}"
    assert [line[:5] for line in advice_on(text)] == ["f:2:1", "f:3:3"]


def test_a_schedules_boost_is_looked_at_as_well_and_its_cap_is_not() -> None:
    plan = "{{name: {0}, cron: 0 2 * * *, target: fleet, kind: {0}, frequency: 100, duration: 1h}}"
    plans = "".join(f"    - {plan.format(kind)}\n" for kind in ("boost", "cap"))
    (said,) = advice_on(f"{HEAD}  schedules:\n{plans}")
    assert said.startswith("f:4:77: 100 Hz samples every 10 ms")


def test_one_trigger_in_two_spellings_means_both_rules() -> None:
    other = "    - {trigger: HighCPU, frequency: 49, duration: 1m}\n"
    assert advice_on_rule(before=other) == [
        'f:7:17: trigger "HighCPU" is also that of rule "high_cpu": both apply, and agents take '
        "the higher frequency"
    ]


def test_one_trigger_for_two_profiles_is_left_in_peace() -> None:
    other = "    - {trigger: HighCPU, name: b, profile: %s, frequency: 49, duration: 1m}\n"
    assert advice_on_rule(before=other % "[wall, alloc]") == []
    assert len(advice_on_rule(before=other % "[wall, cpu]")) == 1
    assert len(advice_on_rule("profile: [cpu, wall]", before=other % "[alloc, wall]")) == 1


def test_names_that_differ_in_spelling_only_are_pointed_out() -> None:
    other = "    - {trigger: b, name: HighCPU, frequency: 49, duration: 1m}\n"
    assert advice_on_rule(before=other) == [
        'f:7:26: name "HighCPU" is easily taken for "high_cpu" above'
    ]


def test_a_frequency_that_raises_nothing_is_pointed_out() -> None:
    assert advice_on_rule("frequency: 19") == [
        "f:6:18: 19 Hz raises nothing where the baseline is no lower: default (19 Hz)"
    ]


def test_advice_on_a_rule_for_several_profiles_is_given_once() -> None:
    (said,) = advice_on_rule("frequency: 100", "profile: [cpu, wall, alloc]")
    assert said.startswith("f:6:18: 100 Hz samples every 10 ms")


def test_what_is_not_sampled_by_the_clock_is_in_step_with_nothing() -> None:
    assert len(advice_on_rule("frequency: 100", "profile: wall")) == 1
    for profile in ("alloc", "lock", "heap"):
        assert advice_on_rule("frequency: 100", f"profile: {profile}") == []
    resting = "sampling:\n  profiles: {wall: 10, lock: 10}\n  on_alert: %s\n"
    rule = "[{trigger: a, profile: heap, frequency: 60, duration: 1m}]"
    assert [it[:6] for it in advice_on(resting % rule)] == ["f:2:20"]


def test_a_baseline_of_the_same_profile_is_what_a_rule_has_to_exceed() -> None:
    resting = "  profiles: {wall: 99, lock: 9}\n"
    assert advice_on_rule("profile: [cpu, wall, lock]", before=resting) == [
        "f:7:18: 99 Hz raises nothing where the baseline is no lower: wall (99 Hz)"
    ]


def test_snapshots_an_hour_are_told_from_hz() -> None:
    assert advice_on_rule("frequency: 4", "profile: heap") == [
        "f:6:18: heap takes 4 snapshots an hour, one every 15m, and the boost lasts 10m"
    ]
    assert advice_on_rule("profile: [cpu, heap]") == [
        "f:7:18: heap takes 99 snapshots an hour, one every 36s; of the other profiles, 99 samples "
        "a second"
    ]
    assert advice_on_rule("frequency: 6", "profile: heap") == []


ENVIRONMENTS = "  environments: {production: 9, development: 99}\n"


def test_environments_that_a_rule_cannot_meet_are_left_out_of_that() -> None:
    in_development = ["f:6:18: 99 Hz raises nothing where the baseline is no lower: "
                      "development (99 Hz)"]  # fmt: skip  # one sentence
    plain = ("frequency: 99",)
    assert advice_on_rule(*plain, before=ENVIRONMENTS) == in_development
    where = "where: {deployment.environment: production}"
    assert advice_on_rule(*plain, where, before=ENVIRONMENTS) == []
    match = f"match: [{ANY}, 'environment!~\"dev.*\"']"
    assert advice_on_rule(*plain, match, before=ENVIRONMENTS) == []


def test_a_rule_that_can_never_match_is_pointed_out() -> None:
    assert advice_on_rule(f"match: [{ANY}, 'a=\"b\"', 'a=~\"c+\"']") == [
        'f:6:14: match can never fit: a="b" and a=~"c+"'
    ]


def test_matchers_that_leave_the_alerts_name_open_are_pointed_out() -> None:
    (wide,) = advice_on_rule("match: ['severity=\"page\"']")
    assert wide.startswith('f:6:14: with match, trigger "high_cpu" is only a name')
    for said in ('alertname="HighCPU"', 'sampling_trigger="high_cpu"', 'alertname=~".+"'):
        assert advice_on_rule(f"match: ['{said}', 'severity=\"page\"']") == []


def test_a_filter_that_contradicts_the_matchers_is_pointed_out() -> None:
    match, where = (
        f"match: [{ANY}, 'env=\"dev\"']",
        "where: {deployment.environment.name: [prod, test]}",
    )
    assert advice_on_rule(match, where) == [
        'f:7:14: where contradicts env="dev": this rule can never apply'
    ]


def test_a_namespace_that_contradicts_the_matchers_is_pointed_out_where_the_scope_takes_it() -> (
    None
):
    match, where = f"match: [{ANY}, 'namespace=\"shop\"']", "where: {k8s.namespace.name: bank}"
    assert advice_on_rule(match, where) == [
        'f:7:14: where contradicts namespace="shop": this rule can never apply'
    ]
    assert advice_on_rule(match, where, "scope: environment") == []


def test_matchers_that_agree_are_left_in_peace() -> None:
    match, where = (
        f"match: [{ANY}, 'env=\"dev\"', 'env!=\"\"']",
        "where: {deployment.environment: dev}",
    )
    assert advice_on_rule(match, where) == []


@pytest.mark.parametrize(
    ("label", "attribute"),
    [
        ("env", "deployment.environment.name"),
        ("namespace", "k8s.namespace.name"),
        ("service_namespace", "service.namespace"),
        ("cluster", "k8s.cluster.name"),
    ],
)
def test_a_label_in_the_place_of_an_attribute_is_pointed_out(label: str, attribute: str) -> None:
    (said,) = advice_on_rule(f"where: {{{label}: production}}")
    assert said.endswith(f'"{label}" is a label of alerts; agents have the attribute "{attribute}"')


def test_while_firing_is_told_how_often_alertmanager_repeats() -> None:
    (advice,) = advice_on_rule("while_firing: true")
    assert "duration must exceed the route's repeat_interval and group_interval" in advice
    assert advice.endswith("4h and 5m, and duration is 10m")


def test_shipped_rules_with_while_firing_outlast_the_shipped_routes_repeats() -> None:
    root = Path(__file__).parents[3]
    shipped = yaml.safe_load((root / "deploy/alertmanager/alertmanager.yml").read_text())
    (route,) = shipped["route"]["routes"]
    repeats_ms = sum(parse_duration(route[it]) for it in ("repeat_interval", "group_interval"))
    for example in (root / "rules/examples").glob("*.yaml"):
        for rule in read_rules(example.read_text(), "f").document.sampling.rule_set().rules:
            assert not rule.while_firing or rule.duration_ms > repeats_ms


def test_renewal_without_room_for_it_is_pointed_out() -> None:
    assert advice_on_rule("while_firing: true", "max_duration: 10m") == [
        "f:6:21: while_firing has nothing to renew: max_duration is 10m, as is duration"
    ]


def test_a_share_of_one_instance_is_pointed_out() -> None:
    assert advice_on_rule("scope: instance", "fraction: 0.5") == [
        "f:7:17: fraction of one instance is one of its processes; leave out fraction or scope"
    ]


def test_a_document_without_rules_is_pointed_out_unless_it_is_about_other_things() -> None:
    nothing = "there are no rules, so no alert changes anything"
    assert advice_on("") == []  # where a file says nothing, the built-in rules are in force
    assert advice_on(HEAD) == [f"f:2:3: {nothing}"]
    assert advice_on("fallback_strategy: [{method: ebpf, priority: 1}]") == [
        "f:1:20: only host agents use fallback_strategy"
    ]
