"""Durations: one parser, one formatter, and they agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_rules.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("10m", 600_000),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("500ms", 500),
        ("1d2h3m4s5ms", 93_784_005),
        ("10m500ms", 600_500),
        ("0s", 0),
        ("007s", 7000),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "text",
    ["", "10", "m", "ten minutes", "1.5h", "-1s", "+1s", "30m1h", "1m1m", "1h 30m", " 1h", "1h\n",
     "1H", "1w", "1:30", "١s", "1000000000s", "9" * 5000 + "s"],
)  # fmt: skip  # one a line would fill the screen
def test_anything_else_is_refused_and_told_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90s, 10m or 1h30m, got"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0s"), (5_400_000, "1h30m"), (90_000, "1m30s"), (1, "1ms"), (-90_000, "-1m30s")],
)
def test_the_shortest_spelling_is_shown(ms: int, text: str) -> None:
    assert format_duration(ms) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_what_is_formatted_parses_to_the_same(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms


@given(st.text(max_size=30) | st.from_regex(r"([0-9]{1,4}(d|h|m|s|ms)){0,6}", fullmatch=True))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        ms = parse_duration(text)
    except ValueError:
        return
    assert parse_duration(format_duration(ms)) == ms
