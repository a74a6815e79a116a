"""What the demo's figures are made of: alerts, busy times, phases, chart."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from upshift_controller.demo.alertmanager import Alert, encoded, fingerprint
from upshift_controller.demo.chart import chart
from upshift_controller.demo.processes import surroundings
from upshift_controller.demo.receiving.busy_time import ROWS, BusyTime
from upshift_controller.demo.receiving.measured import Worker, phases
from upshift_controller.demo.receiving.receiver import Profile
from upshift_controller.sources.alertmanager.payload import parse_notification
from upshift_rules.model import Trigger

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CYCLE = (("baseline", 19), ("boosted", 100), ("back", 19))


def profile(from_s: float, hz: int, samples: int | None = None, *, clean: bool = True) -> Profile:
    """A window of one second."""
    return Profile(
        app="checkout",
        labels={},
        from_s=from_s,
        until_s=from_s + 1,
        period_ns=1_000_000_000 // hz,
        samples=hz if samples is None else samples,
        one_period=clean,
    )


def worker(*profiles: Profile, busy: float = 1.0) -> Worker:
    """A worker that was busy for this share of the first hundred seconds."""
    busy_time = BusyTime()
    busy_time.add("0 0 0")
    busy_time.add(f"100 {60 * busy} {40 * busy}")
    return Worker("checkout-1", busy_time, list(profiles))


def cycle(*, middle: int = 100, samples: int | None = None) -> list[Profile]:
    frequencies = [19] * 40 + [middle] * 10 + [19] * 40
    return [
        profile(second, hz, samples if hz == middle else None)
        for second, hz in enumerate(frequencies)
    ]


def test_an_alert_goes_over_the_wire_as_alertmanager_sends_it() -> None:
    labels = {"alertname": "HighCPU", "service_name": "checkout"}
    (read,) = parse_notification(encoded(Alert(labels, NOON))).alerts
    assert isinstance(read, Trigger)
    assert (read.status, read.labels, read.starts_at_ms) == ("firing", labels, 1769860800000)
    raw = json.loads(encoded(Alert(labels, NOON, ends_at=NOON)))
    assert raw["alerts"][0]["endsAt"] == "2026-01-31T12:00:00Z"
    assert raw["status"] == raw["alerts"][0]["status"] == "resolved"


def test_a_fingerprint_is_the_one_of_prometheus() -> None:
    # Both from the tests of Prometheus's common/model.
    assert int(fingerprint({}), 16) == 14695981039346656037
    labels = {"name": "garland, briggs", "fear": "love is not enough"}
    assert int(fingerprint(labels), 16) == 5799056148416392346


def test_a_busy_time_is_interpolated_and_keeps_the_newest() -> None:
    busy_time = BusyTime()
    assert not busy_time.covers(0, 1)
    for second in range(ROWS + 1):
        busy_time.add(f"{second} {second / 4} {second / 4}")
    assert busy_time.busy(ROWS - 10.5, ROWS - 0.5) == pytest.approx(5)
    assert busy_time.covers(ROWS - 1, ROWS)
    assert not busy_time.covers(0, 1)
    assert not busy_time.covers(ROWS, ROWS + 1)


def test_a_cycle_as_asked_for_is_right() -> None:
    found = phases([worker(*cycle()), worker(*cycle())], CYCLE)
    assert [round(it.rate.per_cpu_second or 0) for it in found] == [19, 100, 19]
    assert all(it.right for it in found)


def test_samples_count_against_the_time_in_which_the_worker_was_busy() -> None:
    found = phases([worker(*cycle(), busy=0.5)], CYCLE)
    assert [round(it.rate.per_cpu_second or 0) for it in found] == [38, 200, 38]
    assert not any(it.right for it in found)


def test_a_frequency_that_was_not_delivered_is_wrong() -> None:
    assert [it.right for it in phases([worker(*cycle(samples=80))], CYCLE)] == [True, False, True]


def test_a_period_that_was_not_asked_for_is_wrong_whatever_was_counted() -> None:
    assert not phases([worker(*cycle(middle=99, samples=100))], CYCLE)[1].right


def test_a_profile_of_mixed_periods_is_wrong() -> None:
    mixed = [*cycle()[:-1], profile(89, 19, clean=False)]
    assert [it.right for it in phases([worker(*mixed)], CYCLE)] == [True, True, False]


def test_a_worker_that_never_shifted_fails_every_phase() -> None:
    stuck = worker(*(profile(second, 19) for second in range(90)))
    assert not any(it.right for it in phases([worker(*cycle()), stuck], CYCLE))
    assert not any(it.right for it in phases([worker()], CYCLE))


def test_the_chart_rises_and_falls_with_what_was_measured() -> None:
    frequencies = [19, 19, 100, 100, 19, 19]
    drawn = worker(*(profile(second, hz) for second, hz in enumerate(frequencies)))
    assert chart(drawn) == "▂█▂"
    assert chart(drawn, unicode=False) == ".#."
    assert chart(worker()) == ""


def test_a_profiler_that_stood_still_leaves_a_gap_in_the_chart() -> None:
    stopped = worker(profile(0, 19), profile(6, 19))
    assert chart(stopped) == "▂  ▂"
    stopped.applied = 0
    assert stopped.latest().per_cpu_second is None


def test_processes_of_the_demo_hear_nothing_of_other_agents_or_proxies() -> None:
    ours = {"PATH": "/bin", "OTEL_SERVICE_NAME": "mine", "UPSHIFT_REDIS_URL": "redis://far"}
    found = surroundings(ours | {"NO_PROXY": "example.org"})
    assert found == {
        "PATH": "/bin",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
