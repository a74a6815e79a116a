"""Whatever happens to versions, one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.sources.rollouts.versions import MINUTE, SECOND, Watched, rolled

versions = st.frozensets(st.sampled_from("123"), max_size=3)
spans = st.sampled_from([SECOND, 10 * SECOND, 40 * SECOND, 5 * MINUTE, 70 * MINUTE])


@given(st.lists(st.tuples(versions, spans, st.booleans()), max_size=8))
def test_whatever_happens_a_life_is_told_once_at_most(
    steps: list[tuple[frozenset[str], int, bool]],
) -> None:
    """Of a version that reports on without a gap: through outages, emptied Redis, anything."""
    watched = Watched()
    for living, ms, looking in steps:
        before = len(watched.told)
        began = living - watched.index.live
        watched.looking = looking
        watched.runs(*living, ms=ms)
        new = watched.told[before:]
        assert len(new) == len(set(new))
        if all(it[2] for it in steps):
            assert set(new) <= began


@given(st.lists(st.tuples(st.booleans(), spans, st.booleans()), max_size=8))
def test_a_service_with_one_version_never_has_a_rollout(
    steps: list[tuple[bool, int, bool]],
) -> None:
    watched = Watched()
    for lives, ms, looking in steps:
        watched.looking = looking
        watched.runs(*(["1"] if lives else []), ms=ms)
    assert watched.told == []


@given(st.lists(st.sampled_from(["keep", "restart"]), max_size=6), st.integers(0, 5))
def test_whatever_restarts_before_and_after_an_update_is_one_rollout(
    events: list[str], at: int
) -> None:
    watched = rolled(["1"])
    running = "1"
    for number, event in enumerate([*events, "keep"]):
        if number == min(at, len(events)):
            watched.runs(running, "2")
            running = "2"
        if event == "restart":
            watched.runs()
        watched.runs(running)
    assert watched.told == ["2"]
