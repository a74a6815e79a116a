"""The demo's receiver reads what pyroscope-io really sends, and counts it rightly."""

from __future__ import annotations

import base64
import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_controller.demo.receiving.pprof import ProfileError, fields, numbers, read_pprof
from upshift_controller.demo.receiving.receiver import (
    PUSH,
    Profile,
    Receiver,
    listening,
    measure,
    read_push,
)

#: One push of pyroscope-io 1.4.0, unzipped, captured from a process that ran at 19 Hz: 4 seconds,
#: three stacks, of 24, 33 and 6 samples.
CAPTURED = base64.b64decode("""
CuADChcKCF9fbmFtZV9fEgtwcm9jZXNzX2NwdQoMCgZyZWdpb24SAmV1ChgKDHNlcnZpY2VfbmFtZRIIY2hlY2tvdXQK
LwoPb3RlbC5zY29wZS5uYW1lEhxjb20uZ3JhZmFuYS5weXJvc2NvcGUvcHl0aG9uChsKEm90ZWwuc2NvcGUudmVyc2lv
bhIFMS40LjAKHwoUcHJvY2Vzcy5ydW50aW1lLm5hbWUSB2NweXRob24KIQoXcHJvY2Vzcy5ydW50aW1lLnZlcnNpb24S
BjMuMTEuNxKKAgrhAQoECAEQAhINCgQBAgMEEgXwhKnaBBIMCgMCAwQSBdq2mLwGEgoKAQESBZyhypYBIggIASIECAEQ
AyIICAIiBAgCEAMiCAgDIgQIAxAEIggIBCIECAQQByoGCAEQAyAEKgYIAhAFIAQqBggDEAYgBCoGCAQQByAEMgAyA2Nw
dTILbmFub3NlY29uZHMyGGlubmVyLjxsb2NhbHM+LjxnZW5leHByPjIHPHN0ZGluPjIFaW5uZXIyBW91dGVyMgg8bW9k
dWxlPkiYi4ShhZik9RhQ5O608w5aBAgBEAJgmrCMGRIkOGQwMTc2MDEtOTI2NS00Mzk0LWEwYWUtMGQzYTJjYzZmNjM0
""")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    async with listening(receiver) as url:
        yield url


def window(from_s: float, until_s: float, samples: int, hz: int = 100) -> Profile:
    return Profile(
        app="checkout",
        labels={"region": "eu"},
        from_s=from_s,
        until_s=until_s,
        period_ns=1_000_000_000 // hz,
        samples=samples,
        one_period=True,
    )


def test_a_push_of_the_real_profiler_is_read() -> None:
    (profile,) = read_push(CAPTURED)
    assert profile.app == "checkout"
    assert profile.labels["region"] == "eu"
    assert profile.labels["__name__"] == "process_cpu"
    assert profile.from_s == pytest.approx(1795406557.180134808)
    assert profile.until_s - profile.from_s == pytest.approx(4.000135012)
    assert (profile.period_ns, round(profile.hz)) == (52631578, 19)
    assert profile.samples == 24 + 33 + 6
    assert profile.one_period


async def test_a_push_is_kept_as_it_comes_over_the_network(receiver: Receiver, url: str) -> None:
    headers = {"Content-Type": "application/proto", "Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + PUSH, data=gzip.compress(CAPTURED), headers=headers) as answer,
    ):
        assert answer.status == 200
    assert [profile.samples for profile in receiver.of("checkout", region="eu")] == [63]
    assert receiver.of("checkout", region="us") == []
    assert receiver.of("cart") == []


@pytest.mark.parametrize("body", [b"\xff", CAPTURED[:-1], CAPTURED[:200], b"\x0a\x05hello"])
async def test_a_bad_push_is_refused_and_nothing_kept(
    receiver: Receiver, url: str, body: bytes
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + PUSH, data=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.text()).startswith("not a push of profiles: ")
    assert receiver.profiles == []


def length(data: bytes, number: int) -> bytes:
    """`data`, up to 127 bytes, as field `number` of a message."""
    return bytes([number << 3 | 2, len(data)]) + data


def pprof(*stacks: bytes, kinds: bytes = length(b"\x08\x01\x10\x02", 1), period: int = 10) -> bytes:
    """A pprof of these samples; strings "", cpu, nanoseconds, samples, count."""
    strings = (b"", b"cpu", b"nanoseconds", b"samples", b"count")
    data = kinds + b"".join(length(stack, 2) for stack in stacks)
    data += b"".join(length(word, 6) for word in strings)
    return data + bytes([9 << 3, 5, 10 << 3, 7, 12 << 3, period])


def push(data: bytes) -> bytes:
    return length(length(length(data, 1), 2), 1)


def test_a_window_of_mixed_rates_does_not_pass_for_one_period() -> None:
    one, mixed = length(b"\x14", 2), length(b"\x19", 2)  # 20 and 25 ns at a period of 10
    (clean,) = read_push(push(pprof(one, one)))
    assert (clean.samples, clean.one_period) == (4, True)
    (dirty,) = read_push(push(pprof(one, mixed)))
    assert not dirty.one_period


def test_the_column_in_nanoseconds_is_the_one_that_counts() -> None:
    kinds = length(b"\x08\x03\x10\x04", 1) + length(b"\x08\x01\x10\x02", 1)
    both = pprof(length(b"\x02\x14", 2), kinds=kinds)
    assert read_pprof(both).values == {("samples", "count"): (2,), ("cpu", "nanoseconds"): (20,)}
    (profile,) = read_push(push(both))
    assert profile.samples == 2


def test_a_memory_profile_is_passed_over() -> None:
    other = pprof(length(b"\x02", 2), kinds=length(b"\x08\x03\x10\x04", 1))
    assert list(read_push(push(other))) == []


def test_a_gzipped_pprof_is_read_like_a_plain_one() -> None:
    plain = pprof(length(b"\x14", 2))
    assert read_pprof(gzip.compress(plain)) == read_pprof(plain)
    with pytest.raises(ProfileError, match="cut off"):
        read_pprof(gzip.compress(plain)[:-8])
    with pytest.raises(ProfileError, match="not gzip after all"):
        read_pprof(b"\x1f\x8b" + plain)


def test_a_period_of_zero_is_refused() -> None:
    with pytest.raises(ProfileError, match="period must be above 0 ns, got 0"):
        list(read_push(push(pprof(length(b"\x14", 2), period=0))))


def test_numbers_are_read_packed_or_not_and_below_zero() -> None:
    assert list(numbers(b"\x01\x96\x01")) == [1, 150]
    assert list(numbers(7)) == [7]
    assert list(fields(b"\x08" + b"\xff" * 9 + b"\x01")) == [(1, -1)]
    assert list(fields(b"\x09ABCDEFGH\x15abcd")) == [(1, b"ABCDEFGH"), (2, b"abcd")]


@given(st.binary())
def test_arbitrary_bytes_are_profiles_or_an_error_of_ours(data: bytes) -> None:
    for reader in (lambda: list(read_push(data)), lambda: read_pprof(data)):
        try:
            reader()
        except ProfileError:
            continue


@given(st.integers(0, len(CAPTURED) - 1), st.integers(0, 255))
def test_a_broken_byte_is_read_or_an_error_of_ours(at: int, byte: int) -> None:
    broken = bytearray(CAPTURED)
    broken[at] = byte
    try:
        list(read_push(bytes(broken)))
    except ProfileError:
        return


def test_only_whole_windows_of_a_span_are_measured() -> None:
    profiles = [window(0, 2, 40, 19), window(2, 4, 200), window(4, 6, 202), window(6, 8, 90)]
    rate = measure(profiles, 1.5, 6.5)
    assert (rate.samples, rate.seconds, rate.per_second) == (402, 4, 100.5)
    assert rate.per_cpu_second is None


def test_samples_are_told_per_second_of_cpu_where_it_is_known() -> None:
    rate = measure([window(2, 4, 100), window(4, 6, 100)], 0, 9, lambda a, b: (b - a) / 2)
    assert (rate.per_second, rate.cpu_seconds, rate.per_cpu_second) == (50, 2, 100)


def test_nothing_measured_is_not_zero_hertz() -> None:
    rate = measure([], 0, 9, lambda a, b: b - a)
    assert (rate.samples, rate.per_second, rate.per_cpu_second) == (0, None, None)
    assert rate.uncertainty is None


def test_a_count_tells_how_far_to_trust_it() -> None:
    assert measure([window(0, 21, 400, 19)], 0, 21).uncertainty == pytest.approx(0.05)
