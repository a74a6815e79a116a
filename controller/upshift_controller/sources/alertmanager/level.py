"""Compares what Alertmanagers list with what is known of their alerts. Pure: it is handed the time.

A notification is an edge, and edges get lost. The list of what fires is a level: whoever reads it
again and again misses nothing for long. Rules for editors:

- An alert **fires** if any Alertmanager lists it. It is **muted** if any lists it as silenced or
  inhibited: peers that have lost each other, or one that has just started, know less than others.
- What is listed is told when it is news (unknown, begun at another time, muted no more), and again
  from time to time, each alert at a time of its own: the transition knows what it had before, so to
  tell it twice costs time and nothing else. That renews `while_firing`, and makes good what a full
  budget, a cooldown or a lost state has kept an alert from.
- **Absence proves little**: Alertmanager keeps alerts in memory, so its list is empty after a
  restart, in the middle of an incident. An alert that was listed has resolved by absence only when
  it was missing for `wait_ms`, at every look, in every Alertmanager, each of which was up for
  longer. A look at which one of them cannot be read starts all waits anew. What was never listed is
  missed by nobody: it may be an Alertmanager's that is not asked.

What is remembered is bounded, the oldest first to go. What was forgotten is told anew if it is
listed, and its boost ends on schedule if it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from upshift_rules.matching import claims_of
from upshift_rules.model import BadTrigger, Claim, RuleSet, Trigger

#: Of labels, and of what an alert takes beside them, in bytes, roughly.
MAX_SIZE = 32 * 1024 * 1024
OVERHEAD = 500
#: What is listed is told again at the latest after so long.
AGAIN_MS = 5 * 60 * 1000
#: Times at which alerts that were told together are told again.
TURNS = 16


class View(NamedTuple):
    """What one Alertmanager lists at one look.

    alerts: by identity; `via` is "level", or "muted" for those that are silenced or inhibited.
    whole: whether those are all. up_ms: for how long it has been up. clock_ms: Unix time there.
    """

    alerts: Mapping[str, Trigger]
    up_ms: int
    clock_ms: int
    whole: bool = True


@dataclass(slots=True)
class _Known:
    """An alert that fires, as it was told last. due_ms: when to tell it again."""

    alert: Trigger
    size: int
    due_ms: int
    listed: bool
    absent_ms: int | None = None  # since when it is missing


def pace(rules: RuleSet, alert: Trigger) -> int:
    """Return how often an alert has to be told, in ms: thrice while a boost of it would last that
    is renewed, and seldom otherwise."""
    if not any(rule.while_firing for rule in rules.rules):
        return AGAIN_MS
    claims = (it for it in claims_of(rules, alert, hint=False) if isinstance(it, Claim))
    lasting = (it.rule.duration_ms // 3 for it in claims if it.rule.while_firing)
    return min([AGAIN_MS, *lasting])


class Level:
    """The alerts of one receiver that are known to fire, and since when each is missing.

    wait_ms: how long an alert has to be missing to count as resolved. every_ms: how often somebody
    looks. Times are those of one monotonic clock.
    """

    def __init__(self, wait_ms: int, every_ms: int) -> None:
        self._wait_ms = wait_ms
        self._every_ms = every_ms
        self._known: dict[str, _Known] = {}
        self._size = 0
        self._turn = 0
        #: Told to have resolved since a look began: the lists may be older than that.
        self._over: set[str] = set()

    def begin(self) -> None:
        """Take note that lists are asked for from now on."""
        self._over.clear()

    def look(
        self, views: Sequence[View | None], now_ms: int, *, anew: bool = False
    ) -> list[Trigger]:
        """Return what is to be told, after a look at every Alertmanager.

        views: None for one that cannot be read. anew: tell all that fires: rules have changed.
        """
        listed = merged([view for view in views if view is not None])
        news = []
        for identity, alert in listed.items():
            known = self._known.get(identity)
            if known is not None:
                known.listed, known.absent_ms = True, None
            if identity not in self._over and (anew or self._is_news(known, alert, now_ms)):
                news.append(alert)
        return news + self._gone(listed, views, now_ms)

    def told(self, rules: RuleSet, alerts: Iterable[Trigger | BadTrigger], now_ms: int) -> None:
        """Take note that these were told, by a notification or as `look` wanted it."""
        for alert in alerts:
            former = self._forget(alert.identity)
            if isinstance(alert, BadTrigger):
                continue
            if alert.status == "firing":
                listed = alert.via != "notice" or (former is not None and former.listed)
                self._remember(alert, now_ms + self._spread(pace(rules, alert)), listed)
            elif alert.via == "notice":
                self._over.add(alert.identity)
        while self._size > MAX_SIZE:
            self._forget(next(iter(self._known)))

    def _is_news(self, known: _Known | None, alert: Trigger, now_ms: int) -> bool:
        if known is None or known.alert.starts_at_ms != alert.starts_at_ms:
            return True
        # Now, if it would be late at the next look.
        return known.due_ms < now_ms + self._every_ms or (
            known.alert.via == "muted" and alert.via != "muted"
        )

    def _gone(
        self, listed: Mapping[str, Trigger], views: Sequence[View | None], now_ms: int
    ) -> list[Trigger]:
        read = [view for view in views if view is not None and view.whole]
        if not read or len(read) < len(views):
            for known in self._known.values():
                known.absent_ms = None
            return []
        up_ms, clock_ms = min(it.up_ms for it in read), max(it.clock_ms for it in read)
        gone = []
        for identity, known in self._known.items():
            if identity in listed or not known.listed:
                continue
            if known.absent_ms is None:
                known.absent_ms = now_ms
            absent_ms = now_ms - known.absent_ms
            if min(absent_ms, up_ms) > self._wait_ms:
                ended_ms = clock_ms - absent_ms
                over = known.alert._replace(status="resolved", ends_at_ms=ended_ms, via="level")
                gone.append(over)
        return gone

    def _spread(self, pace_ms: int) -> int:
        """Return when to tell an alert again, so that not all come at once."""
        self._turn = (self._turn + 1) % TURNS
        return pace_ms * (TURNS + self._turn) // (2 * TURNS)

    def _remember(self, alert: Trigger, due_ms: int, listed: bool) -> None:
        size = OVERHEAD + sum(map(len, (*alert.labels, *alert.labels.values())))
        self._known[alert.identity] = _Known(alert, size, due_ms, listed)
        self._size += size

    def _forget(self, identity: str) -> _Known | None:
        known = self._known.pop(identity, None)
        if known is not None:
            self._size -= known.size
        return known


def merged(views: Sequence[View]) -> Mapping[str, Trigger]:
    """Return what fires, as the Alertmanagers together say: each alert since the earliest of its
    starts, and muted if it is so anywhere."""
    if len(views) == 1:
        return views[0].alerts
    listed: dict[str, Trigger] = {}
    for view in views:
        for identity, alert in view.alerts.items():
            other = listed.setdefault(identity, alert)
            if other is not alert:
                listed[identity] = other._replace(
                    starts_at_ms=min(other.starts_at_ms, alert.starts_at_ms),
                    via="muted" if "muted" in (other.via, alert.via) else "level",
                )
    return listed
