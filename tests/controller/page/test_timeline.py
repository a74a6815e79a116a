"""What the time line draws of a history."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from upshift_controller.page.timeline import (
    HEIGHT,
    HOUR_MS,
    MOST_LANES,
    MOST_MARKS,
    SPANS_H,
    WIDTH,
    timeline,
)
from upshift_controller.storage.history import HistoryLine

NOW_MS = 1_795_395_815_000
MINUTE = 60_000


def line(
    event: str,
    at_ms: int,
    lease: dict[str, Any] | None = None,
    *,
    target: str = "service/checkout",
    reason: str = "alert HighCPU",
) -> HistoryLine:
    entry = {"at_ms": at_ms, "event": event, "reason": reason}
    return HistoryLine(target, at_ms * 1000, at_ms, entry | ({"lease": lease} if lease else {}))


def boost(since_ms: int, lasts_ms: int, hz: int = 100, name: str = "high_cpu/1") -> dict[str, Any]:
    times = {"since_ms": since_ms, "expires_at_ms": since_ms + lasts_ms}
    return {"id": name, "kind": "boost", "profile": "cpu", "hz": hz, **times}


def test_a_boost_that_ran_is_drawn_from_its_grant_to_its_end() -> None:
    since_ms = NOW_MS - 3 * HOUR_MS
    lease = boost(since_ms, HOUR_MS)
    found = timeline(
        [line("expired", since_ms + HOUR_MS, lease), line("granted", since_ms, lease)], NOW_MS, 6
    )
    ((held,),) = [lane.held for lane in found.lanes]
    assert (held.from_ms, held.until_ms, held.runs) == (since_ms, since_ms + HOUR_MS, False)
    assert (held.ended, held.reason) == ("expired", "alert HighCPU")
    assert (held.x, held.width) == (500.0, round(WIDTH / 6, 1))
    assert (held.y, held.height) == (0, HEIGHT)


def test_one_in_force_runs_to_now_and_what_ended_before_is_left_out() -> None:
    runs = boost(NOW_MS - MINUTE, 10 * MINUTE)
    over = boost(NOW_MS - 9 * HOUR_MS, MINUTE, name="high_cpu/0")
    lines = [line("granted", NOW_MS - MINUTE, runs), line("granted", NOW_MS - 9 * HOUR_MS, over)]
    ((held,),) = [lane.held for lane in timeline(lines, NOW_MS, 6).lanes]
    assert (held.id, held.runs, held.until_ms) == ("high_cpu/1", True, NOW_MS)


def test_a_released_lease_ends_when_it_was_released() -> None:
    lease = boost(NOW_MS - HOUR_MS, HOUR_MS)
    released_ms = NOW_MS - HOUR_MS + 5 * MINUTE
    lines = [line("released", released_ms, lease), line("granted", NOW_MS - HOUR_MS, lease)]
    ((held,),) = [lane.held for lane in timeline(lines, NOW_MS, 1).lanes]
    assert (held.until_ms, held.ended) == (released_ms, "released")


def test_what_was_refused_is_marked_with_its_reason() -> None:
    refused = line("refused", NOW_MS - MINUTE, boost(NOW_MS, MINUTE), reason="limits.max_frequency")
    (lane,) = timeline([refused], NOW_MS, 1).lanes
    assert lane.held == []
    assert [it.reason for it in lane.refused] == ["limits.max_frequency"]
    (lane,) = timeline([refused] * 1000, NOW_MS, 1).lanes
    assert len(lane.refused) == MOST_MARKS


anything = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.booleans(),
    st.lists(st.integers(), max_size=2),
)
leases = st.fixed_dictionaries(
    {},
    optional={
        "id": st.one_of(st.text(max_size=5), anything),
        "kind": st.one_of(st.sampled_from(["boost", "pin", "cap"]), anything),
        "profile": anything,
        "hz": st.one_of(st.integers(0, 1000), anything),
        "since_ms": st.one_of(st.integers(NOW_MS - 10 * HOUR_MS, NOW_MS + HOUR_MS), anything),
        "expires_at_ms": st.one_of(st.integers(NOW_MS - 9 * HOUR_MS, NOW_MS + HOUR_MS), anything),
    },
)
lines = st.lists(
    st.builds(
        line,
        st.sampled_from(["granted", "renewed", "expired", "released", "refused", "baseline", "?"]),
        st.integers(0, 2 * NOW_MS),
        st.one_of(st.none(), leases),
        target=st.sampled_from(["service/a", "service/b", "fleet"]),
    ),
    max_size=30,
)


@given(lines, st.sampled_from(SPANS_H))
def test_whatever_a_history_says_all_of_the_picture_is_inside_it(
    several: list[HistoryLine], hours: int
) -> None:
    several.sort(key=lambda it: it.at_ms, reverse=True)
    found = timeline(several, NOW_MS, hours)
    for lane in found.lanes:
        for it in lane.held:
            assert 0 <= it.x <= it.x + it.width <= WIDTH + 0.1
            assert 0 <= it.y <= it.y + it.height <= HEIGHT + 0.1
            assert it.until_ms > found.from_ms
        assert all(0 <= it.x <= WIDTH for it in lane.refused)
        ids = [(it.id, it.from_ms) for it in lane.held]
        assert len(ids) == len(set(ids)), "each once"


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[HistoryLine], set[tuple[str, str, int]]]:
    """As controllers write them, newest first, and the boosts in them that reach into 24 h."""
    found: list[HistoryLine] = []
    boosts: set[tuple[str, str, int]] = set()
    for number in range(draw(st.integers(0, 12))):
        target = draw(st.sampled_from(["service/a", "service/b", "fleet"]))
        since_ms = NOW_MS - draw(st.integers(1, 30 * 60)) * MINUTE
        until_ms = since_ms + draw(st.integers(1, 10 * 60)) * MINUTE
        # An id comes again after its boost is over.
        lease = boost(since_ms + number, until_ms - since_ms, name=f"high_cpu/{number % 3}")
        found.append(line("granted", since_ms + number, lease, target=target))
        renewed = {**lease, "expires_at_ms": lease["expires_at_ms"] + MINUTE}
        if draw(st.booleans()):
            lease = renewed
            found.append(line("renewed", since_ms + number + 1, lease, target=target))
        end_ms = min(lease["expires_at_ms"], since_ms + draw(st.integers(1, 10 * 60)) * MINUTE)
        if end_ms <= NOW_MS:
            ended = draw(st.sampled_from(["expired", "released", "reverted"]))
            found.append(line(ended, end_ms, lease, target=target))
        if min(end_ms, NOW_MS) > NOW_MS - 24 * HOUR_MS:
            boosts.add((target, lease["id"], lease["since_ms"]))
    return sorted(found, key=lambda it: it.at_ms, reverse=True), boosts


@given(histories())
def test_every_boost_of_the_history_is_in_the_picture_exactly_once(
    known: tuple[list[HistoryLine], set[tuple[str, str, int]]],
) -> None:
    lines, boosts = known
    found = timeline(lines, NOW_MS, 24)
    drawn = [(lane.target, it.id, it.from_ms) for lane in found.lanes for it in lane.held]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == boosts
    targets = [lane.target for lane in found.lanes]
    assert targets == sorted(set(targets)), "one lane each"
    for lane in found.lanes:
        assert all(it.until_ms == NOW_MS for it in lane.held if it.runs)


def test_a_history_that_was_cut_says_so_and_more_targets_than_fit_are_counted() -> None:
    lines = [
        line("granted", NOW_MS - at, boost(NOW_MS - at, MINUTE), target=f"service/{at:05}")
        for at in range(10_000)
    ]
    found = timeline(lines, NOW_MS, 1)
    assert found.cut
    assert (len(found.lanes), found.more_lanes) == (MOST_LANES, 10_000 - MOST_LANES)
    assert not timeline(lines[:10], NOW_MS, 1).cut
