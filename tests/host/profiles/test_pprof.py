"""pprof: nanoseconds are counts times the period, whatever the stacks are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.profiles.windows import counters, window
from upshift_controller.demo.receiving.pprof import read_pprof
from upshift_host.profiles.pprof import encode
from upshift_host.profiles.protobuf import varint


@given(counters, st.integers(1, 1000))
def test_nanoseconds_are_count_times_period(samples: dict[tuple[str, ...], int], hz: int) -> None:
    read = read_pprof(encode(window(hz=hz, samples=samples)))
    assert read.period == 1_000_000_000 // hz
    counts = read.values["samples", "count"]
    assert sum(counts) == sum(samples.values())
    assert read.values["cpu", "nanoseconds"] == tuple(count * read.period for count in counts)


def test_it_says_when_it_was() -> None:
    read = read_pprof(encode(window(began_s=1_800_000_000.5, ended_s=1_800_000_010.75)))
    assert read.time_ns == 1_800_000_000_500_000_000
    assert read.duration_ns == 10_250_000_000


def test_wall_time_is_labelled_as_such() -> None:
    read = read_pprof(encode(window(profile="wall")))
    assert set(read.values) == {("samples", "count"), ("wall", "nanoseconds")}


@pytest.mark.parametrize(
    ("profile", "weighed"),
    [("alloc", ("alloc_space", "bytes")), ("lock", ("delay", "nanoseconds"))],
)
def test_what_is_not_sampled_by_time_keeps_its_own_weights(
    profile: str, weighed: tuple[str, str]
) -> None:
    it = window(profile=profile, samples={("a",): 2}, weights={("a",): 12_345})
    read = read_pprof(encode(it))
    assert read.values[weighed] == (12_345,)
    assert read.period == 1


def test_one_window_is_always_the_same_bytes() -> None:
    assert encode(window()) == encode(window())


@pytest.mark.parametrize("value", [-1, 1 << 63])
def test_a_number_that_is_none_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="no int64"):
        varint(value)
