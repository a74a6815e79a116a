"""What holds of every message: it comes back as it went, or it is a `WireError`."""

import json
from collections.abc import Callable
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upshift_agent.contract import (
    MAX_MESSAGE_BYTES,
    MAX_TARGET_BYTES,
    Baseline,
    Lease,
    Plan,
    Status,
    check_target,
    decode_plan,
    decode_status,
    dump,
    encode_plan,
    encode_status,
    parse,
    shorten,
)
from upshift_agent.contract.errors import SignatureRefused, WireError

from .statuses import requested
from .strategies import followed, jsons, statuses

decoders = st.sampled_from([decode_plan, decode_status])
Decoder = Callable[[bytes | str], object]

PLAN = encode_plan(
    Plan(
        target="fleet",
        rev=7,
        now_ms=5,
        leases=(Lease(id="a/1", kind="cap", hz=0, since_ms=1, expires_at_ms=9, where={"a": "b"}),),
        baseline=Baseline(19, {"qa": 49}),
    )
)
STATUS = (
    '{"v":1,"instance":"a","attributes":{"b":"c"},"driver":"d","at_ms":1,"state":"applied",'
    '"since_ms":1,"requested":{"revs":{"fleet":1},"profiles":{"cpu":{"hz":1,"lease":"x","reason":"",'
    '"until_ms":1,"clamped_from":1}}},"applied":{"revs":{},"at_ms":1,"profiles":{"cpu":{"hz":1,'
    '"achieved_hz":1}}},"error":"e",'
    '"skipped":["x"],"max_hz":1,"sdk":"s"}'
)


def read(decoder: Decoder, message: bytes | str) -> None:
    """A decoder answers or refuses; nothing else may come out of it."""
    with suppress(WireError):
        decoder(message)


@given(followed, st.none() | st.binary(min_size=1))
def test_a_plan_comes_back_as_it_went(plans: list[Plan], secret: bytes | None) -> None:
    for plan in plans:
        message = encode_plan(plan, secret)
        assert decode_plan(message, [secret] if secret else []) == plan
        assert decode_plan(message.encode(), [secret] if secret else []) == plan


@given(statuses)
def test_a_status_comes_back_as_it_went(status: Status) -> None:
    assert decode_status(encode_status(status)) == status
    assert decode_status(encode_status(status).encode()) == status


@given(decoders, st.binary() | st.text())
def test_arbitrary_bytes_are_refused_as_a_wire_error(
    decoder: Decoder, message: bytes | str
) -> None:
    read(decoder, message)


@given(decoders, jsons)
def test_arbitrary_json_is_refused_as_a_wire_error(decoder: Decoder, document: Any) -> None:
    read(decoder, json.dumps(document))


broken: st.SearchStrategy[Any] = (
    jsons
    | st.sampled_from([2**63, -1, 10**400, 1e308, 5e-324, True, None, [], {}, "\ud800"])
    | st.sampled_from([float("nan"), float("inf")])
)


@given(st.sampled_from([PLAN, STATUS]), st.data())
def test_a_message_with_one_broken_value_is_read_or_refused(message: str, data: Any) -> None:
    document = json.loads(message)
    at = document
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not (isinstance(at[key], dict | list) and at[key] and data.draw(st.booleans())):
            break
        at = at[key]
    at[key] = data.draw(broken)
    text = json.dumps(document)
    try:
        value = (decode_plan if message == PLAN else decode_status)(text)
    except WireError:
        return
    # What was read can be sent on.
    again = encode_plan(value) if isinstance(value, Plan) else encode_status(value)
    assert again.encode()


@given(st.sampled_from([PLAN, STATUS]), st.integers(0), st.integers(0, 255))
def test_a_message_with_one_broken_byte_is_read_or_refused(
    message: str, at: int, byte: int
) -> None:
    raw = bytearray(message.encode())
    raw[at % len(raw)] = byte
    read(decode_plan if message == PLAN else decode_status, bytes(raw))


@pytest.mark.parametrize("depth", [10, 100, 900, 990, 999, 5000, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused(opening: str, depth: int) -> None:
    nest = opening * depth + "1" + ("]" if opening == "[" else "}") * depth
    for message in (nest, '{"v":' + nest + "}", PLAN.replace('"a/1"', nest)):
        with pytest.raises(WireError):
            decode_plan(message)


def test_every_depth_around_the_interpreters_limit_is_refused() -> None:
    for depth in range(800, 1100):
        with pytest.raises(WireError):
            decode_plan('{"v":' + "[" * depth + "]" * depth + "}")


def test_a_message_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(WireError, match="at most 4194304 are read"):
        parse(b" " * (MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize(
    "message",
    [
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        '{"a": "\\uDC00 and on"}',
        '{"\\ud83d": 1}',
        '{"a": "\ud800"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xff"}',
        '{"a": 1}'.encode("utf-16"),
    ],
)
def test_what_could_not_be_sent_on_is_refused(message: bytes | str) -> None:
    with pytest.raises(WireError, match="not JSON"):
        parse(message)


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse('{"a": "\\ud83d\\ude80"}') == {"a": "🚀"}


def test_a_backslash_before_an_escape_is_only_a_backslash() -> None:
    assert parse('{"a": "\\\\ud800"}') == {"a": "\\ud800"}


def test_a_badly_encoded_name_does_not_stop_a_report() -> None:
    assert dump({"host.name": "z\udcfcrich"}) == '{"host.name":"z?rich"}'


def test_a_read_only_mapping_is_written_like_any_other() -> None:
    revs = MappingProxyType({"fleet": 1})
    status = Status(
        instance="a",
        attributes=MappingProxyType({"b": "c"}),
        driver="d",
        at_ms=1,
        state="applying",
        since_ms=1,
        requested=requested(1, revs),
    )
    assert decode_status(encode_status(status)).requested.revs == {"fleet": 1}


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8))
@example(b"a", b"b")
def test_only_the_right_secret_fits(one: bytes, other: bytes) -> None:
    # HMAC pads a key with zeros, so "a" and "a\0" are one key.
    if one.rstrip(b"\0") == other.rstrip(b"\0"):
        return
    plan = Plan(target="fleet", rev=1, now_ms=1)
    with pytest.raises(SignatureRefused):
        decode_plan(encode_plan(plan, one), [other])
    assert decode_plan(encode_plan(plan, one), [other, one]) == plan


def test_a_target_of_the_greatest_length_is_taken_and_a_longer_one_refused() -> None:
    longest = "service/" + "é" * ((MAX_TARGET_BYTES - len("service/")) // 2)
    assert check_target(longest) == longest
    with pytest.raises(
        WireError, match=f"at most {MAX_TARGET_BYTES} bytes, 'service/é+….* has 258"
    ):
        check_target(longest + "é")
    with pytest.raises(WireError, match="not valid Unicode"):
        check_target("service/\ud800")


@given(jsons)
def test_a_quoted_value_fits_on_one_line(value: Any) -> None:
    assert len(shorten(value)) <= 60
    assert "\n" not in shorten(value)


def test_an_endless_value_can_still_be_quoted() -> None:
    nest: list[Any] = []
    for _ in range(100_000):
        nest = [nest]
    assert shorten(nest) == "[[Ellipsis]]"
