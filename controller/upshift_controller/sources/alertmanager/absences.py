"""Finds alerts that resolved without a notification. Pure: it is handed the time.

With `max_alerts`, Alertmanager leaves alerts out of a notification that they have resolved, too,
and its list has none of those that have. So absence from the list is the only sign, and a weak
one: Alertmanager keeps alerts in memory, so after a restart its list is empty until Prometheus has
sent them again. An alert has resolved that was missing for so long, at every look, in the list of
an Alertmanager that was up for longer.

What is remembered is bounded, the oldest first to go. The boost of an alert that was forgotten ends
on schedule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from upshift_rules.model import BadTrigger, Trigger

#: Characters of labels.
MAX_SIZE = 8 * 1024 * 1024
#: A look asks Alertmanager about each.
MAX_RECEIVERS = 32
#: What an alert takes beside its labels, roughly.
OVERHEAD = 500


@dataclass(slots=True)
class _Known:
    alert: Trigger
    size: int
    absent_ms: int | None = None  # since when it is missing


class Absences:
    """The alerts that were heard to fire, and since when each is missing in Alertmanager's list.

    wait_ms: how long an alert has to be missing to count as resolved. Times are those of one
    monotonic clock.
    """

    def __init__(self, wait_ms: int) -> None:
        self._wait_ms = wait_ms
        self._known: dict[tuple[str, str], _Known] = {}
        self._size = 0
        self._truncating: set[str] = set()

    def heard(
        self, receiver: str, alerts: Iterable[Trigger | BadTrigger], *, truncated: bool = False
    ) -> None:
        """Take note of what a notification, or the list, says of alerts of `receiver`."""
        for alert in alerts:
            self._forget(receiver, alert.identity)
            if isinstance(alert, Trigger) and alert.status == "firing":
                size = OVERHEAD + len(receiver)
                size += sum(map(len, (*alert.labels, *alert.labels.values())))
                self._known[receiver, alert.identity] = _Known(alert, size)
                self._size += size
        while self._size > MAX_SIZE:
            self._forget(*next(iter(self._known)))
        if truncated and len(self._truncating) < MAX_RECEIVERS:
            self._truncating.add(receiver)

    @property
    def receivers(self) -> list[str]:
        """The receivers some of whose alerts may have resolved without a notification."""
        self._truncating.intersection_update({receiver for receiver, _ in self._known})
        return sorted(self._truncating)

    def looked(
        self, receiver: str, listed: Collection[object], now_ms: int, up_ms: int, clock_ms: int
    ) -> list[Trigger]:
        """Return the alerts of `receiver` that have resolved, after a look at Alertmanager's list.

        listed: the fingerprints in the list. up_ms: how long Alertmanager has been up.
        clock_ms: Unix time there.
        """
        gone = []
        for (of, identity), known in self._known.items():
            if of != receiver:
                continue
            if identity in listed:
                known.absent_ms = None
                continue
            if known.absent_ms is None:
                known.absent_ms = now_ms
            absent_ms = now_ms - known.absent_ms
            if min(absent_ms, up_ms) > self._wait_ms:
                ended_ms = clock_ms - absent_ms
                gone.append(known.alert._replace(status="resolved", ends_at_ms=ended_ms))
        return gone

    def not_looked(self, receiver: str) -> None:
        """Start all waits of `receiver` anew, since its list could not be read."""
        for (of, _), known in self._known.items():
            if of == receiver:
                known.absent_ms = None

    def _forget(self, receiver: str, identity: str) -> None:
        known = self._known.pop((receiver, identity), None)
        if known is not None:
            self._size -= known.size
