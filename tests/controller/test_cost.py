"""What `upshift cost` predicts, and what it assumes for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.command import Run
from upshift_agent.contract import ENVIRONMENT, Baseline
from upshift_controller.sources.schedules.windows import open_for
from upshift_rules.cost import (
    Coefficients,
    Forecast,
    Load,
    Share,
    coverage,
    forecasts,
    missed,
    uncounted,
)
from upshift_rules.cron import parse_cron
from upshift_rules.model import Rule, RuleSet, Schedule

MINUTE = 60_000
HIGH_CPU = Rule(
    name="high_cpu",
    trigger="high_cpu",
    frequency_hz=100,
    duration_ms=10 * MINUTE,
    max_duration_ms=40 * MINUTE,
)


def rule(**more: object) -> Rule:
    fields = {name: getattr(HIGH_CPU, name) for name in HIGH_CPU.__slots__}
    return Rule(**{**fields, **more})  # type: ignore[arg-type]


def predict(alerts_per_day: float, *rules: Rule, **environments: int) -> list[Forecast]:
    several = RuleSet(baseline=Baseline(19, environments), rules=rules or (HIGH_CPU,))
    load = Load(alerts_per_day=alerts_per_day, firing_ms=10 * MINUTE)
    return forecasts(several, load, Coefficients())


def test_without_alerts_19_hz_cost_what_the_defaults_say() -> None:
    (quiet,) = predict(0)
    assert quiet.mean_hz == 19
    assert quiet.cpu_percent == pytest.approx(2)
    assert quiet.memory_mb == pytest.approx(50)
    assert quiet.kb_per_s == pytest.approx(150)
    assert quiet.gb_per_month == pytest.approx(10)
    assert missed(quiet) == []


def test_a_rare_alert_adds_its_duration_at_its_frequency() -> None:
    (busy,) = predict(1)
    assert busy.boosted == pytest.approx(10 / (24 * 60), rel=0.01)
    assert busy.mean_hz == pytest.approx(19 + 81 * busy.boosted)


def test_every_environment_with_a_baseline_of_its_own_has_a_forecast() -> None:
    assert [it.environment for it in predict(1, staging=49)] == ["default", "staging"]


def test_a_boost_that_does_not_raise_costs_nothing() -> None:
    (found,) = predict(50, rule(frequency_hz=19))
    assert found.mean_hz == 19
    assert found.boosted == 0


def test_where_nothing_runs_nothing_is_paid() -> None:
    still = RuleSet(baseline=Baseline(0))
    (found,) = forecasts(still, Load(alerts_per_day=0, firing_ms=MINUTE), Coefficients())
    assert (found.cpu_percent, found.memory_mb, found.kb_per_s) == (0, 0, 0)


def test_fixed_parts_are_paid_for_the_time_that_a_profiler_runs() -> None:
    costs = Coefficients(cpu_percent=Share(fixed=1, per_hz=0))
    rules = RuleSet(baseline=Baseline(0), rules=(HIGH_CPU,))
    (found,) = forecasts(rules, Load(alerts_per_day=10, firing_ms=MINUTE), costs)
    assert found.cpu_percent == pytest.approx(found.boosted)


def test_a_cooldown_lessens_the_time_boosted() -> None:
    assert coverage(rule(cooldown_ms=60 * MINUTE), 100, MINUTE) < coverage(HIGH_CPU, 100, MINUTE)


def test_a_boost_renewed_while_firing_covers_the_alert() -> None:
    renewed = rule(while_firing=True)
    assert coverage(renewed, 1, 30 * MINUTE) == pytest.approx(30 / (24 * 60), rel=0.03)


def test_a_boost_that_is_reverted_ends_with_the_alert() -> None:
    reverted = rule(on_resolved="revert")
    assert coverage(reverted, 1, MINUTE) == pytest.approx(1 / (24 * 60), rel=0.01)


@given(
    alerts=st.floats(0, 1e6),
    more=st.floats(0, 1e6),
    cooldown_ms=st.integers(0, 7 * 24 * 60 * MINUTE),
)
def test_coverage_is_a_share_that_grows_with_the_alerts(
    alerts: float, more: float, cooldown_ms: int
) -> None:
    it = rule(cooldown_ms=cooldown_ms)
    less, greater = coverage(it, alerts, MINUTE), coverage(it, alerts + more, MINUTE)
    assert 0 <= less <= greater + 1e-9 <= 1 + 2e-9


def test_the_command_reads_rules_and_coefficients_of_a_file(offline: Run, tmp_path: Path) -> None:
    file = tmp_path / "upshift.yaml"
    file.write_text(
        "sampling:\n  default: 10\ncost:\n  cpu_percent: {fixed: 0.5, per_hz: 0.1}\n",
    )
    said = offline("cost", str(file), "--json")
    assert said.code == 0
    (node,) = said.json["per_node"]
    assert node["cpu_percent"] == pytest.approx(1.5)
    assert node["kb_per_s"] == pytest.approx(10 * 150 / 19)


def test_the_command_names_each_target_that_is_missed_and_by_how_much(offline: Run) -> None:
    said = offline("cost", "--alerts-per-day", "4")
    assert said.code == 0
    assert "Within the targets (CPU 5 %, memory 100 MB, bandwidth 200 KB/s): default." in said.out
    assert (
        "always 100 Hz misses the targets for CPU (10.5 %, 5 at most) and "
        "bandwidth (789.5 KB/s, 200 at most)." in said.out
    )


def test_the_command_says_which_profiles_it_does_not_count(offline: Run, tmp_path: Path) -> None:
    file = tmp_path / "upshift.yaml"
    rule = "{trigger: high_cpu, profile: [cpu, wall], frequency: 97, duration: 10m}"
    file.write_text(f"sampling:\n  profiles: {{heap: 1}}\n  on_alert:\n  - {rule}\n")
    assert offline("cost", str(file), "--json").json["uncounted"] == ["wall", "heap"]
    assert "Of cpu alone; not counted: wall, heap." in offline("cost", str(file)).out
    assert "not counted" not in offline("cost").out
    assert f"{file}: 1 rule, no warnings" in offline("check", str(file)).out


def test_a_file_with_a_fault_is_refused_with_its_place(offline: Run, tmp_path: Path) -> None:
    file = tmp_path / "upshift.yaml"
    file.write_text("cost:\n  cpu_percent: {per_hz: -1}\n")
    said = offline("cost", str(file))
    assert said.code == 1


def test_only_cpu_is_costed_and_what_else_is_raised_is_named() -> None:
    """An entry for several profiles is one entry, to which the same alerts come."""
    wall, heap = rule(profile="wall"), rule(profile="heap", frequency_hz=4)
    assert predict(5, HIGH_CPU, wall, heap) == predict(5)
    (quiet,) = predict(5, wall)
    assert (quiet.mean_hz, quiet.boosted) == (19, 0)
    resting = Baseline(19, profiles={"wall": 9, "lock": 0})
    assert uncounted(RuleSet(baseline=resting, rules=(HIGH_CPU, heap))) == ["wall", "heap"]
    assert uncounted(RuleSet(baseline=Baseline(19), rules=(HIGH_CPU,))) == []


def test_rollouts_and_schedules_cost_something_too() -> None:
    minute = parse_cron("0 * * * *")
    boost = Schedule(
        name="hourly", cron=minute, zone="UTC", kind="boost", targets=("service/a",), profiles=(),
        frequency_hz=100, duration_ms=6 * MINUTE,
    )  # fmt: skip
    cap = replace(boost, name="freeze", kind="cap", frequency_hz=0, where={ENVIRONMENT: "staging"})
    baseline = Baseline(19, {"staging": 19})
    load = Load(alerts_per_day=0, firing_ms=0, rollouts_per_day=1)

    def found(**more: object) -> list[Forecast]:
        rules = RuleSet(baseline=baseline, **more)  # type: ignore[arg-type]
        return forecasts(rules, load, Coefficients(), lambda it: open_for(it, 0))

    rolled_out, _ = found(rollouts=(HIGH_CPU,))
    assert rolled_out.boosted == pytest.approx(10 / (24 * 60), rel=0.01)
    (hourly, staging) = found(schedules=(boost, cap))
    assert (hourly.boosted, hourly.mean_hz) == pytest.approx((0.1, 19 + 81 * 0.1), rel=1e-3)
    # A tenth of the time it stands still; of the rest a tenth is boosted.
    assert staging.mean_hz == pytest.approx(0.9 * (19 + 81 * 0.1), rel=1e-3)
    assert staging.boosted == pytest.approx(0.09, rel=1e-3)


def test_windows_that_overlap_are_open_once() -> None:
    every = parse_cron("*/10 * * * *")
    schedule = Schedule(
        name="a", cron=every, zone="UTC", kind="cap", targets=("fleet",), profiles=(),
        frequency_hz=9, duration_ms=20 * MINUTE,
    )  # fmt: skip
    assert open_for(schedule, 0) == pytest.approx(1, abs=0.01)
    assert open_for(replace(schedule, duration_ms=MINUTE), 0) == pytest.approx(0.1, abs=0.001)
