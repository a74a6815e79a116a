"""Folded stacks, read and written, whatever the names in them are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given

from host.profiles.windows import counters, names
from upshift_host.profiles import folded


def test_what_a_profiler_prints_is_read_with_its_counts() -> None:
    text = (
        "main (app.py:1);pay for (app.py:7) 12\nmain (app.py:1) 3\n\nno stack\nmain (app.py:1) 2\n"
    )
    assert folded.parse(text) == {
        ("main (app.py:1)", "pay for (app.py:7)"): 12,
        ("main (app.py:1)",): 5,
    }


@given(counters)
def test_no_name_makes_a_line_or_a_frame_of_its_own(samples: dict[tuple[str, ...], int]) -> None:
    written = folded.render(samples)
    assert written.count(b"\n") == len(samples)
    read = folded.parse(written.decode())
    assert read.total() == sum(samples.values())
    assert sorted(map(len, read.elements())) == sorted(map(len, Counter(samples).elements()))


@given(names)
def test_a_frame_is_never_empty_and_stays_what_it_is(name: str) -> None:
    once = folded.frame(name)
    assert once
    assert folded.frame(once) == once


def test_a_stack_too_long_for_a_line_keeps_both_ends_and_its_count() -> None:
    """Pyroscope reads no further than a line of 64 KiB, and does not say so."""
    deep = tuple(f"frame-{number:05}" for number in range(10_000))
    written = folded.render({deep: 4, ("main",): 1})
    assert max(map(len, written.splitlines())) < 65_536
    kept = next(stack for stack, count in folded.parse(written.decode()).items() if count == 4)
    assert (kept[0], kept[-1]) == (deep[0], deep[-1])
    assert folded.LEFT_OUT in kept


def test_one_name_too_long_for_a_line_is_cut() -> None:
    written = folded.render({("é" * 100_000,): 1})
    assert len(written) < 65_536
    assert folded.parse(written.decode()).total() == 1
