"""What a session brought becomes stacks that weigh what they stand for."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.drivers.jfr.recordings import asleep, chunk, in_tlab, park, sample, wait
from upshift_host.drivers.async_profiler.samples import Recorded, read
from upshift_host.drivers.jfr.samples import Seen

LOCK_NS = 10_000_000
STACKS = [
    (False, ["shop/Till.pay", "shop/Main.main"]),
    (False, [".start_thread"]),
]
EVENTS = [
    sample(0.1, 1),
    sample(0.2, 2),
    asleep(0.3, 1, 40),
    asleep(0.4, 1, 2),
    in_tlab(0.5, 1, 32, 524_288),
    in_tlab(0.6, 1, 1_048_576, 1_048_576),
    wait(0.7, 1, 0.25),
    park(0.8, 1, 0.001),
]
EVERYTHING = chunk(EVENTS, STACKS, 2.5)
PAY = ("shop.Main.main", "shop.Till.pay")


def test_each_profile_has_its_stacks_and_true_weights() -> None:
    assert read(EVERYTHING, LOCK_NS) == Recorded(
        1_800_000_000.0,
        2.5,
        {
            "cpu": Seen(samples={PAY: 1, ("start_thread",): 1}),  # type: ignore[arg-type]
            "wall": Seen(samples={PAY: 42}),  # type: ignore[arg-type]
            "alloc": Seen(samples={PAY: 2}, weights={PAY: 1_572_864}),  # type: ignore[arg-type]
            # A wait that is shorter than the period stands for one.
            "lock": Seen(samples={PAY: 2}, weights={PAY: 260_000_000}),  # type: ignore[arg-type]
        },
    )


def test_a_session_of_several_chunks_is_read_whole() -> None:
    twice = read(EVERYTHING + EVERYTHING, LOCK_NS)
    assert (twice.lasted_s, twice.seen["wall"].samples.total()) == (5.0, 84)


@pytest.mark.parametrize("recording", [b"", chunk(EVENTS, STACKS, 0), b"FLR\0"])
def test_what_did_not_end_is_no_recording(recording: bytes) -> None:
    with pytest.raises(ValueError, match="no recording"):
        read(recording, LOCK_NS)


@pytest.mark.parametrize("samples", [0, -1, 1 << 40])
def test_a_sample_that_counts_none_or_more_than_there_can_be_is_refused(samples: int) -> None:
    with pytest.raises(ValueError, match="no recording"):
        read(chunk([asleep(0, 1, samples)], STACKS, 1), LOCK_NS)


@given(st.lists(st.tuples(st.integers(0, len(EVERYTHING) - 1), st.integers(0, 255)), max_size=8))
def test_whatever_is_in_it_is_read_or_refused_and_soon(changes: list[tuple[int, int]]) -> None:
    spoiled = bytearray(EVERYTHING)
    for place, byte in changes:
        spoiled[place] = byte
    began = time.monotonic()
    with suppress(ValueError):
        read(bytes(spoiled), LOCK_NS)
    assert time.monotonic() - began < 1
