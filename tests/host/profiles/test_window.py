"""A window: one profile, one frequency, and what its samples stand for."""

from __future__ import annotations

import pytest

from host.profiles.windows import window


@pytest.mark.parametrize(("hz", "period_ns"), [(19, 52_631_578), (100, 10_000_000), (1, 10**9)])
def test_a_sample_stands_for_one_period_of_its_frequency(hz: int, period_ns: int) -> None:
    it = window(hz=hz, samples={("main",): 7})
    assert (it.period_ns, it.count) == (period_ns, 7)
    assert it.weighed() == {("main",): 7 * period_ns}
    assert it.unit == "nanoseconds"


def test_allocations_weigh_bytes_and_not_time() -> None:
    it = window(profile="alloc", samples={("new",): 2}, weights={("new",): 4096})
    assert it.weighed() == {("new",): 4096}
    assert it.unit == "bytes"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hz": 0}, "above 0"),
        ({"ended_s": 1_800_000_000.0}, "ends after it began"),
        ({"profile": "heap"}, "samples of heap weigh bytes"),
        ({"profile": "lock"}, "weigh nanoseconds"),
        ({"weights": {("main",): 1}}, "samples of cpu weigh nanoseconds"),
    ],
)
def test_what_would_be_counted_wrongly_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        window(**given)
