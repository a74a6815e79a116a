"""The windows of a schedule, and the one that is open: beside a look at all of them."""

from __future__ import annotations

from itertools import islice, takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from upshift_controller.sources.schedules.windows import Window, changes, window_at, windows
from upshift_rules.cron import parse_cron
from upshift_rules.model import Schedule

MINUTE_MS = 60_000
NOON_MS = 1_795_435_200_000  # 2026-11-23, a Monday


def a_schedule(cron: str = "0 * * * *", minutes: int = 45, **more: object) -> Schedule:
    return Schedule(
        name=str(more.pop("name", "nightly")),
        cron=parse_cron(cron),
        zone="Europe/Berlin",
        kind="boost",
        targets=("service/billing",),
        profiles=(),
        frequency_hz=97,
        duration_ms=minutes * MINUTE_MS,
        **more,  # type: ignore[arg-type]
    )


schedules = st.builds(
    lambda cron, minutes, jitter: a_schedule(cron, minutes, jitter_ms=jitter * MINUTE_MS),
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 2,3 * * *", "0 0 * * mon"]),
    st.sampled_from([1, 10, 90, 1440]),
    st.sampled_from([0, 1, 20, 60]),
)


@settings(max_examples=50)
@given(schedules, st.integers(0, 7 * 24 * 60 * MINUTE_MS))
def test_the_open_window_is_the_last_to_end_of_all_that_have_begun(
    schedule: Schedule, offset_ms: int
) -> None:
    now_ms = NOON_MS + offset_ms
    begun = takewhile(
        lambda it: it.starts_at_ms <= now_ms, windows(schedule, now_ms - schedule.duration_ms)
    )
    assert window_at(schedule, now_ms) == max(begun, key=lambda it: it.ends_at_ms, default=None)


@settings(max_examples=50)
@given(schedules, st.integers(0, 7 * 24 * 60 * MINUTE_MS))
def test_windows_come_in_order_and_are_the_same_from_wherever_one_looks(
    schedule: Schedule, offset_ms: int
) -> None:
    found = [*islice(windows(schedule, NOON_MS), 60)]
    starts = [it.starts_at_ms for it in found]
    assert starts == sorted(set(starts))
    later_ms = min(NOON_MS + offset_ms, starts[-1])
    rest = [it for it in found if it.starts_at_ms > later_ms]
    assert [*islice(windows(schedule, later_ms), len(rest))] == rest


def test_jitter_begins_later_by_no_more_than_it_says_and_keeps_the_length() -> None:
    begin_ms = NOON_MS + 30 * MINUTE_MS
    plain = [*islice(windows(a_schedule(), begin_ms), 100)]
    jittered = [*islice(windows(a_schedule(jitter_ms=5 * MINUTE_MS), begin_ms), 100)]
    late = [other.starts_at_ms - it.starts_at_ms for it, other in zip(plain, jittered, strict=True)]
    assert all(0 <= it <= 5 * MINUTE_MS for it in late)
    assert len({*late}) > 50
    assert all(it.ends_at_ms - it.starts_at_ms == 45 * MINUTE_MS for it in jittered)


def test_two_schedules_with_one_time_begin_apart() -> None:
    one, other = (
        next(windows(a_schedule(jitter_ms=5 * MINUTE_MS, name=name), NOON_MS))
        for name in ("nightly", "weekly")
    )
    assert one != other


def test_in_a_window_there_is_a_lease_for_each_profile() -> None:
    window = Window(NOON_MS, NOON_MS + 1)
    assert [it.profile for it in changes(a_schedule(), window)] == [None]
