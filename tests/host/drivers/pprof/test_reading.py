"""What a pprof says, whoever wrote it; whatever is none is one error."""

from __future__ import annotations

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.pprof import reading
from upshift_host.drivers.pprof.reading import read
from upshift_host.profiles.pprof import encode
from upshift_host.profiles.protobuf import block, number, packed
from upshift_host.profiles.window import Window

STACKS = {("main", "serve", "spend"): 7, ("main", "wait"): 2, ("ü;\n", ""): 1}


def window(hz: int = 100) -> Window:
    return Window(
        attributes={"service.name": "checkout"},
        profile="cpu",
        profiler="test",
        hz=hz,
        began_s=1000.0,
        ended_s=1010.0,
        samples=STACKS,
    )


def test_what_was_written_is_read() -> None:
    found = read(encode(window()), "samples", "cpu")
    assert found.counts == {
        ("main", "serve", "spend"): 7, ("main", "wait"): 2, ("ü;\n", "[unknown]"): 1,
    }  # fmt: skip
    assert found.weights[("main", "wait")] == 2 * 10_000_000
    assert (found.duration_ns, found.period_ns) == (10_000_000_000, 10_000_000)


def test_a_profile_need_not_be_zipped_and_inlined_calls_are_frames() -> None:
    strings = ["", "samples", "count", "cpu", "nanoseconds", "outer", "inner"]
    raw = b"".join(
        [
            block(1, number(1, 1) + number(2, 2)),
            block(1, number(1, 3) + number(2, 4)),
            # One location of two lines, the innermost first; the ids are not packed.
            block(4, number(1, 9) + block(4, number(1, 2)) + block(4, number(1, 1))),
            block(5, number(1, 1) + number(2, 5)),
            block(5, number(1, 2) + number(2, 6)),
            block(2, number(1, 9) + packed(2, [3, 30])),
            *(block(6, text.encode()) for text in strings),
        ]
    )
    assert read(raw, "samples", "cpu").counts == {("outer", "inner"): 3}


def test_another_kind_of_profile_is_told() -> None:
    with pytest.raises(ValueError, match="a profile of samples, cpu, not of inuse_space"):
        read(encode(window()), "inuse_objects", "inuse_space")


@given(st.binary(max_size=300))
def test_what_is_no_profile_is_one_error(raw: bytes) -> None:
    for content in (raw, gzip.compress(raw)):
        with pytest.raises(ValueError):  # noqa: PT011  # in many words
            read(content, "samples", "cpu")


@given(st.data())
def test_a_profile_that_was_damaged_is_read_or_is_one_error(data: st.DataObject) -> None:
    raw = bytearray(gzip.decompress(encode(window())))
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        read(bytes(raw[: data.draw(st.integers(0, len(raw)))]), "samples", "cpu")


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1 << 20)
    with pytest.raises(ValueError, match="more than 32 MiB"):
        read(gzip.compress(bytes(2 << 20)), "samples", "cpu")


def test_a_small_profile_that_would_take_all_memory_is_refused() -> None:
    """A thousand samples of 512 locations, each of 64 calls with a long name."""
    strings = ["", "samples", "cpu", "x" * 1000]
    lines = b"".join(block(4, number(1, 1)) for _ in range(64))
    raw = b"".join(
        [
            block(1, number(1, 1)),
            block(1, number(1, 2)),
            block(4, number(1, 1) + lines),
            block(5, number(1, 1) + number(2, 3)),
            block(2, packed(1, [1] * 512) + packed(2, [1, 1])) * 1000,
            *(block(6, text.encode()) for text in strings),
        ]
    )
    assert len(raw) < 1 << 20
    with pytest.raises(ValueError, match="stacks take more than 64 MiB"):
        read(raw, "samples", "cpu")


def test_of_a_deep_stack_the_innermost_frames_are_kept() -> None:
    strings = ["", "samples", "cpu", "deep", "leaf"]
    raw = b"".join(
        [
            block(1, number(1, 1)),
            block(1, number(1, 2)),
            block(4, number(1, 1) + block(4, number(1, 1))),
            block(4, number(1, 2) + block(4, number(1, 2))),
            block(5, number(1, 1) + number(2, 3)),
            block(5, number(1, 2) + number(2, 4)),
            block(2, packed(1, [2, *[1] * 10_000]) + packed(2, [1, 1])),
            *(block(6, text.encode()) for text in strings),
        ]
    )
    (stack,) = read(raw, "samples", "cpu").counts
    assert len(stack) == reading.MAX_DEPTH
    assert stack[-2:] == ("deep", "leaf")
