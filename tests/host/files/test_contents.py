"""A number in a file: in one of ours, or in one place of a user's, and no other byte changes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.files.contents import CannotStand, Own, Placed, template

MARK = Placed("# upshift")
USERS = b"""\
# my collector, \xe9dited by hand\r
receivers:\r
  profiling: {  samples_per_second:   19   , x: 5 }  # upshift 20 to 100 please\r
\tprocessors: {batch/1: ${env:X}}
exporters:   # 42
"""


def test_of_a_users_file_only_the_number_before_the_mark_changes() -> None:
    before = b"profiling:\n  samples_per_second: 19  # upshift\nother: 19\n"
    assert MARK.at(100, before) == before.replace(b"19  #", b"100  #")
    assert MARK.at(19, MARK.at(100, before)) == before


def test_the_last_number_before_the_mark_is_meant() -> None:
    assert MARK.at(100, USERS) == USERS.replace(b", x: 5 }", b", x: 100 }")


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 1000))
def test_whatever_else_a_file_holds_stays_byte_for_byte(
    before: bytes, after: bytes, hz: int
) -> None:
    before, after = before.replace(b"# upshift", b""), after.replace(b"# upshift", b"")
    content = b"%b\nrate: 19 # upshift\n%b" % (before, after)
    changed = MARK.at(hz, content)
    assert changed == b"%b\nrate: %d # upshift\n%b" % (before, hz, after)
    assert MARK.hz(changed) == hz


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "is not there"),
        (b"", "it has 0"),
        (b"rate: 19\n", "it has 0"),
        (b"a: 1 # upshift\nb: 2 # upshift\n", "it has 2"),
        (b"rate: fast # upshift\n", "no whole number before"),
        (b"# upshift 19\n", "no whole number before"),
        (b"rate: 19.5 # upshift\n", "no whole number before"),
        (b"rate: -19 # upshift\n", "no whole number before"),
        (b"rate: ${env:HZ19} # upshift\n", "no whole number before"),
    ],
)
def test_a_place_that_is_not_clear_is_left_alone(content: bytes | None, why: str) -> None:
    with pytest.raises(CannotStand, match=re.escape(why)):
        MARK.at(100, content)
    assert content is None or MARK.hz(content) is None


def test_a_template_takes_the_number_and_nothing_else_of_it_means_anything() -> None:
    text = "{{ .Values }} ${HZ} {hz} %d {service} \\n {hz}\n"
    assert template(text, None).at(7, None) == text.replace("{hz}", "7").encode()
    assert template(text, "off {hz}\n").at(0, None) == b"off {hz}\n"


def test_a_file_that_is_not_ours_is_not_replaced() -> None:
    own = template("rate: {hz}\n", None)
    for ours in (None, b"", b" \n", b"rate: 19\n", b"# by upshift-agent of an older version\n"):
        assert own.at(100, ours) == b"rate: 100\n"
    for theirs in (b"rate: 19\nmore: 1\n", b"receivers:\n", b"\xff"):
        with pytest.raises(CannotStand, match="something else"):
            own.at(100, theirs)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_file_of_ours_says_which_of_the_known_frequencies_it_has(hz: int, other: int) -> None:
    own = Own(lambda hz: f"rate {hz}\n")
    assert own.hz(own.at(hz, None), (other, hz)) == hz
    assert own.hz(own.at(hz, None), ()) is None
