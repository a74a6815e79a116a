"""Alerts of the past as a controller was told of them, or would have been. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..documents.advice import REPEAT_MS
from ..model import Trigger
from .notation import identity_of
from .trial import Notice


class Firing(NamedTuple):
    """One firing of one alert. ends_at_ms: when it resolved; None: not before the end."""

    labels: Mapping[str, str]
    starts_at_ms: int
    ends_at_ms: int | None


def notices(firings: Iterable[Firing], until_ms: int, repeat_ms: int = REPEAT_MS) -> list[Notice]:
    """Return what Alertmanager would have told of these firings until then, in order of time: each
    at its start, again every `repeat_ms`, and at its end. What falls together is one notice."""
    told: dict[int, list[Trigger]] = {}
    for it in firings:
        fires = Trigger("firing", it.labels, identity_of(it.labels), it.starts_at_ms)
        end_ms = until_ms + 1 if it.ends_at_ms is None else it.ends_at_ms
        for at_ms in range(it.starts_at_ms, min(end_ms, until_ms + 1), repeat_ms):
            told.setdefault(at_ms, []).append(fires)
        if end_ms <= until_ms:
            over = fires._replace(status="resolved", ends_at_ms=end_ms)
            told.setdefault(end_ms, []).append(over)
    return [Notice(at_ms, told[at_ms]) for at_ms in sorted(told)]


def firings(
    labels: Mapping[str, str], moments_ms: Sequence[int], step_ms: int, gap_ms: int, until_ms: int
) -> list[Firing]:
    """Return the firings of an alert that was seen to fire at these moments, looked at every
    `step_ms` until `until_ms`. Seen again after more than `gap_ms`, it is another firing."""
    found: list[Firing] = []
    if not moments_ms:
        return found
    started_ms = last_ms = moments_ms[0]
    for at_ms in moments_ms[1:]:
        if at_ms - last_ms > gap_ms:
            found.append(Firing(labels, started_ms, last_ms + step_ms))
            started_ms = at_ms
        last_ms = at_ms
    end_ms = last_ms + step_ms
    found.append(Firing(labels, started_ms, None if end_ms > until_ms else end_ms))
    return found
