"""What comes from anywhere goes on one line, whoever wrote it."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import check_target, is_plain, one_line
from upshift_agent.contract.errors import WireError

ANYTHING = st.text(st.characters(exclude_categories=()))


@given(ANYTHING, st.integers(1, 50))
def test_what_is_shown_is_plain_bounded_and_valid_unicode(text: str, most: int) -> None:
    shown = one_line(text, most)
    shown.encode()
    assert is_plain(shown)
    assert len(shown) <= most
    assert len(f"{shown}.".splitlines()) == 1
    if is_plain(text) and len(text) <= most:
        assert shown == text


@pytest.mark.parametrize(
    "text", ["", "checkout", "Käse 🛒", "👩\u200d💻", "a\u00a0b", "می\u200cخواهم"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert one_line(text, 100) == text


@pytest.mark.parametrize(
    "text", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x1b[2J", "\u202e", "\ud800"]
)
def test_a_target_is_one_line(text: str) -> None:
    with pytest.raises(WireError, match="line breaks"):
        check_target(f"service/a{text}b")


def test_no_character_that_python_splits_lines_at_is_plain() -> None:
    for number in range(sys.maxunicode + 1):
        if len(f"a{chr(number)}b".splitlines()) > 1:
            assert not is_plain(chr(number)), hex(number)
