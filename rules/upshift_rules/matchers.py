"""Alertmanager's matchers: `severity="page"`, `service!~"test-.*"`, `{a="b", c!="d"}`.

The classic syntax (`pkg/labels/parse.go` of prometheus/alertmanager, held to amtool's answers in
`tests/rules/matching/test_matchers.py`), plus quoted label names, which newer Alertmanagers read
too. An absent label counts as an empty one; a regular expression must fit the whole value.

Regular expressions run on RE2, whose language Alertmanager's own engine shares (no look-around, no
back-references), and in linear time, so that no pattern can hold up the controller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2

from .model import Matcher
from .text import show

#: RE2's own bound on the size of a compiled pattern and its caches, in bytes.
MAX_PATTERN_MEMORY = 1024 * 1024
MAX_MATCHER_LENGTH = 4096

_RIGHT = 'must be LABEL="VALUE", with =, !=, =~ or !~'
# Possessive throughout, so that no text makes this backtrack. Alertmanager splits at every comma
# outside of quotes, also after a backslash.
_QUOTED = r'"(?:\\.|[^"\\])*+"'
_MATCHER = re.compile(
    rf"\s*+(?P<label>[a-zA-Z_:][a-zA-Z0-9_:]*+|{_QUOTED})\s*+(?P<operator>=~|!=|!~|=)\s*+"
    rf'(?P<value>{_QUOTED}\s*+|(?:\\[^,]|[^",\\])*+\\?+)(?:,|$)',
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\([n"\\])')


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read one entry of a `match:` list: a matcher, or several with commas between.

    Raise `ValueError` saying what is wrong and what a matcher looks like.
    """
    if len(text) > MAX_MATCHER_LENGTH:
        raise ValueError(f"has {len(text)} characters, at most {MAX_MATCHER_LENGTH} are read")
    body = text.strip().removeprefix("{").removesuffix("}").rstrip()
    matchers: list[Matcher] = []
    position = 0
    while position < len(body):
        found = _MATCHER.match(body, position)
        if found is None:
            raise ValueError(f"{_RIGHT}, got {show(body[position:].strip())}")
        matchers.append(_matcher(*found.group("label", "operator", "value")))
        position = found.end()
    if not matchers:
        raise ValueError(f"{_RIGHT}, got {show(text)}")
    return tuple(matchers)


def _matcher(label: str, operator: str, value: str) -> Matcher:
    label, value = _unquoted(label), _unquoted(value.strip())
    matches = _pattern(value) if operator.endswith("~") else _equals(value)
    if operator.startswith("!"):
        matches = _negated(matches)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    equals = value if operator == "=" else None
    return Matcher(label, f'{label}{operator}"{escaped}"', matches, equals)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text.startswith('"'):
        text = text[1:-1]
    # Any other backslash stands for itself, as it does in Alertmanager.
    return _ESCAPE.sub(lambda escaped: "\n" if escaped[1] == "n" else escaped[1], text)


def _equals(value: str) -> Callable[[str], bool]:
    return lambda text: text == value


def _negated(matches: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: not matches(text)


def compiled(pattern: str) -> Any:
    """A pattern as RE2 reads it, for UTF-8. Raise `ValueError` with what is wrong of it."""
    options = re2.Options()
    options.log_errors = False  # it would write to stderr by itself
    options.never_capture = True
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace") if error.args else "unreadable"
        raise ValueError(why) from error


def _pattern(value: str) -> Callable[[str], bool]:
    try:
        pattern = compiled(value)
    except ValueError as error:
        raise ValueError(
            f"must hold an RE2 regular expression, got {show(value)}: {error}"
        ) from error
    # Label values come out of JSON, where half a surrogate pair is possible; RE2 takes UTF-8 only.
    return lambda text: pattern.fullmatch(text.encode("utf-8", "replace")) is not None
