"""A recording's events become stacks, and whatever is wrong with one, nothing else goes wrong."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.drivers.jfr.recordings import allocation, chunk, number, other, sample, text, wait
from upshift_host.drivers.jfr.samples import PROFILES, Seen, read
from upshift_host.drivers.jfr.values import Cursor

BEGAN_S = 1_800_000_000.0
EVENTS = frozenset(PROFILES)
STACKS = [
    (False, ["shop/Till.pay", "shop/Main.main"]),
    (True, ["java/util/HashMap.get", "shop/Main.main"]),
]
EVERYTHING = chunk(
    [
        sample(0.5, 1),
        other(0.6),
        sample(0.7, 1),
        sample(0.8, 2),
        sample(0.9, 3),
        allocation(1.0, 1, 4096),
        allocation(1.1, 1, 1024),
        wait(1.2, 2, 0.25),
    ],
    STACKS,
)


def test_each_profile_has_its_stacks_root_first_and_its_weights() -> None:
    pay = ("shop.Main.main", "shop.Till.pay")
    get = ("[truncated]", "shop.Main.main", "java.util.HashMap.get")
    seen = read(EVERYTHING, EVENTS, BEGAN_S, BEGAN_S + 10)
    assert seen == {
        "cpu": Seen(samples={pay: 2, get: 1}, lost=1),
        "alloc": Seen(samples={pay: 2}, weights={pay: 5120}),
        "lock": Seen(samples={get: 1}, weights={get: 250_000_000}),
    }


def test_what_was_before_or_after_the_window_is_left_out() -> None:
    seen = read(EVERYTHING, EVENTS, BEGAN_S + 0.6, BEGAN_S + 0.75)
    assert {profile: it.samples.total() for profile, it in seen.items()} == {"cpu": 1}


def test_only_the_events_of_this_recording_count_where_there_is_another() -> None:
    assert set(read(EVERYTHING, frozenset({"jdk.JavaMonitorEnter"}), 0, 2e9)) == {"lock"}


def test_a_recording_of_several_chunks_is_read_whole() -> None:
    two = EVERYTHING + chunk([sample(2, 1)], STACKS)
    assert read(two, EVENTS, 0, 2e9)["cpu"].samples.total() == 4


def test_nothing_recorded_is_nothing_seen() -> None:
    assert read(b"", EVENTS, 0, 2e9) == {}
    assert read(chunk([], []), EVENTS, 0, 2e9) == {}


@given(st.integers(0, len(EVERYTHING) - 1))
def test_a_recording_cut_off_anywhere_is_no_recording(end: int) -> None:
    if end:
        with pytest.raises(ValueError, match="no recording"):
            read(EVERYTHING[:end], EVENTS, 0, 2e9)


@given(st.lists(st.tuples(st.integers(0, len(EVERYTHING) - 1), st.integers(0, 255)), max_size=8))
def test_whatever_is_in_it_is_read_or_refused_and_soon(changes: list[tuple[int, int]]) -> None:
    spoiled = bytearray(EVERYTHING)
    for place, byte in changes:
        spoiled[place] = byte
    began = time.monotonic()
    with suppress(ValueError):
        read(bytes(spoiled), EVENTS, 0, 2e9)
    assert time.monotonic() - began < 1


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_are_read_as_they_are_written(value: int) -> None:
    cursor = Cursor(number(value) + b"\xff")
    assert (cursor.number(), cursor.at) == (value, len(number(value)))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"\x00", None),
        (b"\x01", ""),
        (b"\x02\x07", 7),
        (text("Zürich"), "Zürich"),
        (b"\x04\x02" + number(0x5A) + number(0xFC), "Zü"),
        (b"\x05\x02Z\xfc", "Zü"),
    ],
)
def test_texts_are_read_in_each_of_their_forms(written: bytes, expected: object) -> None:
    assert Cursor(written).text() == expected


@pytest.mark.parametrize("written", [b"", b"\x09", b"\x03\x7fshort", b"\x03" + number(-1)])
def test_a_text_that_is_none_is_refused(written: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        Cursor(written).text()
