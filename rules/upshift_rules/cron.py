"""Cron lines, as in crontab(5): five fields, and which minutes they mean. Pure.

When those minutes come, in a zone with summer time, is no matter of the line: see the controller's
`sources.schedules.moments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .text import show

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Longer than any line that means something.
MAX_TEXT = 256
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, MONTHS)
_WEEKDAY = _Field("day of the week", 0, 7, WEEKDAYS)
_FIELDS = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)
ORDER = "minute, hour, day of the month, month, day of the week"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line, read. Weekdays are 0–6 from Sunday on.

    any_hour: its hours begin with `*`, so it is about minutes that pass, not about times of a day.
    either_day: both kinds of days are restricted, and a day that fits one of the two fits.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_hour: bool
    either_day: bool


def parse_cron(text: str) -> Cron:
    """Read a cron line. Raise `ValueError` saying which field is wrong, and what would be right."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT} characters, has {len(text)}")
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"must have five fields ({ORDER}), got {len(fields)} in {show(text)}")
    sets = [frozenset(_values(field, part)) for field, part in zip(_FIELDS, fields, strict=True)]
    minutes, hours, days, months, weekdays = sets
    either_day = not (fields[2].startswith("*") or fields[4].startswith("*"))
    if not either_day and all(min(days) > _MOST_DAYS[month - 1] for month in months):
        raise ValueError(f"never comes: none of its months has a day {min(days)}")
    return Cron(
        text=" ".join(fields),
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        any_hour=fields[1].startswith("*"),
        either_day=either_day,
    )


def _values(field: _Field, text: str) -> Iterator[int]:
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, last = _span(field, span, part)
        if not slash:
            yield from range(first, last + 1)
            continue
        if span != "*" and "-" not in span:
            raise ValueError(
                f"has {show(part)} as {field.name}: steps take * or a range, "
                f"such as {span}-{field.most}/{step}"
            )
        most = last - first
        if not (_is_number(step) and 1 <= int(step) <= max(most, 1)):
            raise ValueError(f"has {show(part)} as {field.name}: its step must be 1–{max(most, 1)}")
        yield from range(first, last + 1, int(step))


def _span(field: _Field, span: str, part: str) -> tuple[int, int]:
    if span == "*":
        return field.least, field.most - (field is _WEEKDAY)  # both 0 and 7 are Sunday
    begin, dash, end = span.partition("-")
    first = _value(field, begin, part)
    last = _value(field, end, part) if dash else first
    if field is _WEEKDAY and dash and last == 0:
        last = 7  # fri-sun
    if last < first:
        raise ValueError(f"has {show(part)} as {field.name}, which runs backwards")
    return first, last


def _value(field: _Field, text: str, part: str) -> int:
    if text.lower() in field.names:
        return field.names.index(text.lower()) + field.least
    if not (_is_number(text) and field.least <= int(text) <= field.most):
        named = f" or {field.names[0]}–{field.names[-1]}" if field.names else ""
        raise ValueError(
            f"has {show(part)} as {field.name}, which must be {field.least}–{field.most}{named}"
        )
    return int(text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 2
