"""PromQL with placeholders, such as `rate(errors_total{service="{{ service }}"}[5m]) > 1`.

What is put in comes from alerts, so from anybody who may send one. A placeholder therefore stands
in the quoted value of a label matcher and nowhere else: there a value can be written so that it is
that value and nothing more, in `=~` and `!~` as text that a regular expression takes literally.

What is looked at: that strings and brackets are closed, so that a query in parentheses stays within
them, and where placeholders stand. All else Prometheus alone can tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..text import show

#: Characters of a query as it is written, and bytes of one that is filled in.
MAX_QUERY = 2048
MAX_FILLED = 4096
LIKE = '{service="{{ service }}"}'

_NAME = re.compile(r"service|environment|labels\.[a-zA-Z_][a-zA-Z0-9_]*")
_TOKEN = re.compile(
    r"""(?P<blank>\s++|\#[^\n]*+)|(?P<quote>["'`])|(?P<operator>=~|!~|!=|==|=)|(?P<open>[({[])
    |(?P<close>[])}])|(?P<word>[a-zA-Z0-9_:.]++)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_HOLE = re.compile(r"\{\{(.*?)\}\}")
#: What a string is made of, by its quote. A `{` before another begins a placeholder.
_PIECES = {
    quote: re.compile(
        rf"(?:[^\\\n{{{quote}]|\{{(?!\{{)|\\(?:[abfnrtv\\{quote}]|[0-7]{{3}}|x[0-9a-fA-F]{{2}}"
        r"|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*+"
    )
    for quote in "\"'"
}
#: Matchers that fit any value, and any but none.
_ANYBODY, _SOMEBODY = '=~"(?s:.*)"', '!=""'
_CLOSING = {"(": ")", "{": "}", "[": "]"}
#: Words before a `{` that name no metric.
_OPERATORS = frozenset({"and", "or", "unless", "bool"})
#: ASCII that may mean something in a regular expression. A backslash before it never does.
_META = re.compile(r"[\x00-\x2f:-@\[-^`{-\x7f]")
#: At the end of what stands before a placeholder: a backslash would take its first character away.
_BACKSLASH = re.compile(
    r"(?:(?<!\\)(?:\\{4})*\\{2}|\\x5c|\\134|\\u005c|\\U0000005c)\Z", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Hole:
    """Where a value is put in. regex: in a regular expression."""

    name: str
    quote: str
    regex: bool


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a query's text. negative: of a matcher, whether it wants others than its value."""

    start: int
    end: int
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read. parts: texts, and what is put in between. filled: operators and values of the
    matchers that have a placeholder. selectors: metrics with their matchers."""

    text: str
    parts: tuple[str | Hole, ...]
    filled: tuple[Span, ...] = ()
    selectors: tuple[Span, ...] = ()


class Unfilled(ValueError):
    """A query cannot be filled in; the message says why."""


def parse_query(text: str) -> Query:
    """Raise `ValueError` with what is wrong and what would be right."""
    if not text.strip():
        raise ValueError("must not be empty")
    if len(text) > MAX_QUERY:
        raise ValueError(f"has {len(text)} characters, at most {MAX_QUERY} are read")
    if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", text):
        raise ValueError(f"holds the character {found[0]!a}; PromQL is made of visible ones")
    reader = _Reader(text)
    reader.read()
    return Query(text, tuple(reader.parts()), tuple(reader.filled), tuple(reader.selectors))


def fill(query: Query, value: Callable[[str], str | None]) -> str:
    """Return the query with what `value` says of each name in its place; empty is as good as
    nothing there. Raise `Unfilled`."""
    made = []
    for part in query.parts:
        if isinstance(part, str):
            made.append(part)
        elif found := value(part.name):
            made.append(_written(found, part))
        else:
            kind, _, label = part.name.partition(".")
            raise Unfilled(f"there is no label {label}" if label else f"no {kind} is named")
    filled = "".join(made)
    if (size := len(filled.encode())) > MAX_FILLED:
        raise Unfilled(f"filled in, it has {size} bytes, and {MAX_FILLED} are the most")
    return filled


def about_anybody(query: Query, text: str | None = None, offset: int = 0) -> str:
    """Return the query, or `text`, which is what of it begins at `offset`, with any value at all
    where placeholders stand."""
    text = query.text if text is None else text
    for it in reversed(query.filled):
        start, end = it.start - offset, it.end - offset
        if 0 <= start < end <= len(text):
            text = text[:start] + (_ANYBODY if it.negative else _SOMEBODY) + text[end:]
    return text


def selected_by(query: Query) -> Iterator[str]:
    """Return the metrics that a query is about, each with its matchers, about anybody."""
    for it in query.selectors:
        yield about_anybody(query, query.text[it.start : it.end], it.start)


def _written(value: str, hole: Hole) -> str:
    """Return a value as it is written at a hole."""
    value = value.encode("utf-8", "replace").decode()
    if hole.regex:
        value = _META.sub(r"\\\g<0>", value)
    value = value.replace("\\", "\\\\").replace(hole.quote, "\\" + hole.quote)
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)


class _Reader:
    """Goes through a query once, from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._holes: list[tuple[Span, Hole]] = []
        self.filled: list[Span] = []
        self.selectors: list[Span] = []
        self._open: list[tuple[str, int, int]] = []  # bracket, where it is, where its part begins

    def read(self) -> None:
        at, before = 0, None  # before: the last token that is no blank
        while at < len(self._text):
            token = _TOKEN.match(self._text, at)
            assert token is not None  # noqa: S101  # any character is `other`
            at = token.end()
            if token.lastgroup == "blank":
                continue
            if token.lastgroup == "quote":
                at = self._string(token.start(), before)
            elif token.lastgroup == "open":
                self._opens(token, before)
            elif token.lastgroup == "close":
                self._closes(token)
            before = token
        if self._open:
            bracket, start, _ = self._open[-1]
            raise ValueError(f"has a {bracket} that is not closed, {_place(start)}")

    def parts(self) -> Iterator[str | Hole]:
        at = 0
        for span, hole in self._holes:
            yield self._text[at : span.start]
            yield hole
            at = span.end
        yield self._text[at:]

    def _opens(self, token: re.Match[str], before: re.Match[str] | None) -> None:
        if self._text.startswith("{{", token.start()):
            raise ValueError(
                f"has a placeholder outside of quotes, {_place(token.start())}; it stands in the "
                f"value of a matcher, such as {LIKE}"
            )
        start = token.start()
        if before and before.lastgroup == "word" and before[0].lower() not in _OPERATORS:
            start = before.start()
        self._open.append((token[0], token.start(), start))

    def _closes(self, token: re.Match[str]) -> None:
        bracket, _, start = self._open.pop() if self._open else ("", 0, 0)
        if _CLOSING.get(bracket) != token[0]:
            raise ValueError(f"has a {token[0]} that closes nothing, {_place(token.start())}")
        if bracket == "{":
            self.selectors.append(Span(start, token.end()))

    def _string(self, start: int, before: re.Match[str] | None) -> int:
        """Read the string that begins at `start`, and return where it ends."""
        quote, text = self._text[start], self._text
        if quote == "`":
            end = text.find("`", start + 1) + 1
            if not end:
                raise ValueError(f"has a string that is not closed, {_place(start)}")
            if "{{" in text[start:end]:
                raise ValueError(
                    f"has a placeholder in backticks, where nothing can be escaped, "
                    f'{_place(start)}; use "…"'
                )
            return end
        operator = before[0] if before and before.lastgroup == "operator" else ""
        inside = bool(self._open) and self._open[-1][0] == "{"
        is_value = inside and operator not in ("", "==")
        at, holes = start + 1, len(self._holes)
        while True:
            piece = _PIECES[quote].match(text, at)
            at = piece.end() if piece else at
            if text.startswith(quote, at):
                break
            if text.startswith("\\", at):
                raise ValueError(f"has an escape that PromQL does not know, {_place(at)}")
            if not text.startswith("{{", at):
                raise ValueError(f"has a string that is not closed, {_place(start)}")
            if not is_value:
                raise ValueError(
                    f"has a placeholder {_place(at)} that is not in the value of a matcher, such "
                    f"as {LIKE}"
                )
            at = self._hole(at, quote, regex=operator.endswith("~"))
        if before and len(self._holes) > holes:
            self.filled.append(Span(before.start(), at + 1, operator.startswith("!")))
        return at + 1

    def _hole(self, at: int, quote: str, *, regex: bool) -> int:
        found = _HOLE.match(self._text, at)
        name = found[1].strip() if found else ""
        if found is None or not _NAME.fullmatch(name):
            raise ValueError(
                "knows {{ service }}, {{ environment }} and {{ labels.NAME }}, got "
                + show(found[0] if found else self._text[at : at + 20])
            )
        if regex and _BACKSLASH.search(self._text, 0, at):
            raise ValueError(f"has a placeholder after a backslash, {_place(at)}")
        self._holes.append((Span(at, found.end()), Hole(name, quote, regex)))
        return found.end()


def _place(at: int) -> str:
    return f"at character {at + 1}"
