"""How figures stand on the page. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from upshift_agent.contract import ALL, CPU, shown


def left(ms: int) -> str:
    """A time that runs out, such as `9 min 05 s`; the script counts on in the same words."""
    seconds = max(0, -(-ms // 1000))
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24:02} h"


def at(ms: float) -> datetime:
    """Unix milliseconds; of any size, since a clock may say anything."""
    return datetime.fromtimestamp(min(max(0, ms), 253_370_764_800_000) / 1000, UTC)


def clock(ms: float) -> str:
    return f"{at(ms):%H:%M:%S} UTC"


def day(ms: int) -> str:
    return f"{at(ms):%Y-%m-%d %H:%M:%S} UTC"


def iso(ms: int) -> str:
    return f"{at(ms):%Y-%m-%dT%H:%M:%SZ}"


def raised(kind: str, profile: str, hz: int) -> str:
    """What a lease asks for, such as `boost to 100 Hz`."""
    of = "everything" if profile == ALL else shown(profile, hz)
    if profile == ALL:
        return f"{kind}: {of} off" if hz == 0 else f"{kind}: {of} at most {hz} Hz"
    what = kind if profile == CPU else f"{kind} {profile}"
    return f"{what} {'at most' if kind == 'cap' else 'to'} {of}"


def cores(number: float) -> str:
    """CPU that something takes, in words that claim no more than is known."""
    if number < 0.05:
        return "under 0.1 core"
    return f"some {number:.1f} cores" if number < 10 else f"some {number:.0f} cores"


def target_url(target: str) -> str:
    return f"/target/{quote(target)}"


def plural(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


FILTERS: Mapping[str, Callable[..., Any]] = {
    it.__name__: it for it in (left, clock, day, iso, raised, cores, target_url, plural, shown)
}
