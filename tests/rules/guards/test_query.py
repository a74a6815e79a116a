"""PromQL with placeholders: what comes from an alert is a value, and never a part of the query."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from upshift_rules.guards.query import (
    MAX_FILLED,
    Unfilled,
    about_anybody,
    fill,
    parse_query,
    selected_by,
)
from upshift_rules.matchers import compiled

EQUAL = parse_query('up{a="{{ labels.x }}"} > 0.5')
LIKE = parse_query('up{a=~"{{labels.x}}"} > 0.5')
HOSTILE = [
    'a"}) or vector(1) #', "\\", '\\"', "'", "`", "\n", "\r", "\x00", "\x7f", "\ud800", "é",
    ".*", "a|b", "[a-z]", "(?i)a", "\\Q.*\\E", "^$", "a{2}", "\\d", "%s", "${x}", "{{ service }}",
]  # fmt: skip  # one a line would fill the screen
values = st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=40)


def filled(query: str, **values: str) -> str:
    return fill(parse_query(query), lambda name: values.get(name.replace(".", "_")))


def string_in(query: str) -> str:
    """What the only string of a filled query says: Python reads these escapes as Go does."""
    found = re.fullmatch(r'up\{a=~?("(?:[^"\\\n]|\\.)*")\} > 0\.5', query, re.DOTALL)
    assert found is not None
    return str(ast.literal_eval(found[1]))


@given(values)
@example("\\" * 9 + '"')
def test_a_value_stays_the_value_of_its_matcher(value: str) -> None:
    meant = value.encode("utf-8", "replace").decode()
    assert string_in(fill(EQUAL, lambda _: value)) == meant


@given(values, values)
def test_in_a_regular_expression_a_value_means_itself_and_nothing_else(
    value: str, other: str
) -> None:
    mine, theirs = (it.encode("utf-8", "replace") for it in (value, other))
    pattern = compiled(string_in(fill(LIKE, lambda _: value)))
    assert pattern.fullmatch(mine)
    assert bool(pattern.fullmatch(theirs)) == (mine == theirs)


@given(st.text(max_size=60) | st.text("{}()[]\"'`\\#=~! {{service}}\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse_query(text)
    except ValueError:
        return
    assert fill(query, lambda _: "a").strip()
    parse_query(about_anybody(query))
    for selector in selected_by(query):
        parse_query(selector)


@given(values)
def test_what_is_filled_in_stays_within_parentheses(value: str) -> None:
    query = fill(LIKE, lambda _: value)
    parse_query(f"(\n{query}\n)")  # which looks at strings and brackets


def test_each_placeholder_gets_what_it_names() -> None:
    text = 'a{b="{{ service }}", c=~"x-{{environment}}-.+", d!=\'{{ labels.pod }}\'}'
    got = filled(text, service="s", environment="e.u", labels_pod="it's")
    assert got == 'a{b="s", c=~"x-e\\\\.u-.+", d!=\'it\\\'s\'}'


def test_without_placeholders_a_query_stays_as_it_is() -> None:
    text = 'max(up) # {not a bracket\n> 0 and on() label_replace(up, `a`, "$1", \'b\', "(.*)")'
    assert filled(text) == text


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('up{a="{{ service }}"}', "no service is named"),
        ('up{a="{{ environment }}"}', "no environment is named"),
        ('up{a="{{ labels.pod }}"}', "there is no label pod"),
    ],
)
def test_what_is_not_named_is_not_guessed(query: str, why: str) -> None:
    for value in (None, ""):
        with pytest.raises(Unfilled, match=why):
            fill(parse_query(query), lambda _, value=value: value)


def test_a_value_that_is_too_long_is_refused() -> None:
    with pytest.raises(Unfilled, match=f"{MAX_FILLED} are the most"):
        fill(EQUAL, lambda _: "a" * MAX_FILLED)


@pytest.mark.parametrize(
    "text",
    [
        "{{ service }}",
        'up{"{{ service }}"="a"}',
        'up{a=="{{ service }}"}',
        'up == "{{ service }}"',
        'label_replace(up, "a", "{{ service }}", "", "")',
        "up{a=`{{ service }}`}",
        'up{a="\\{{ service }}"}',
        'up{a="\\x{{ service }}"}',
        'up{a=~"\\\\{{ service }}"}',
        'up{a=~"\\x5c{{ service }}"}',
        'up{a=~"\\134{{ service }}"}',
        "up # {{ service }}\n, {{ service }}",
    ],
)
def test_a_placeholder_stands_nowhere_but_in_the_value_of_a_matcher(text: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|escape"):
        parse_query(text)


def test_a_backslash_that_is_whole_may_stand_before_a_placeholder() -> None:
    assert parse_query('up{a=~"\\\\\\\\{{ service }}"}')
    assert parse_query('up{a="\\\\{{ service }}"}')


def test_about_anybody_every_value_fits() -> None:
    query = parse_query(
        'rate(a{b="{{ service }}", c!~"{{ labels.x }}.*", d="e"}[5m]) > 1 and {f="g"} or {h="i"}'
    )
    found = about_anybody(query)
    assert found == 'rate(a{b!="", c=~"(?s:.*)", d="e"}[5m]) > 1 and {f="g"} or {h="i"}'
    assert list(selected_by(query)) == ['a{b!="", c=~"(?s:.*)", d="e"}', '{f="g"}', '{h="i"}']
