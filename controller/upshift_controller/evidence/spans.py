"""Which time is compared with which, and how it is divided."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

#: Before `startsAt`, and the rule's `for`: what an alert is about begins earlier than it.
EARLIER_MS = 5 * 60 * 1000
#: Profilers tell of 10 to 15 s at a time, by the end of which or the begin it is stored.
LEAST_MS = 10_000
MOST_PARTS, FEWEST_PARTS = 30, 4


@dataclass(frozen=True, slots=True)
class Span:
    """Redis time, ms: from `from_ms`, inclusive, until `until_ms`, exclusive."""

    from_ms: int
    until_ms: int

    @property
    def length_ms(self) -> int:
        return self.until_ms - self.from_ms

    def earlier(self, by_ms: int) -> Span:
        return Span(self.from_ms - by_ms, self.until_ms - by_ms)

    def parts(self) -> list[Span]:
        """Sub-windows of at least 10 s, as alike in length as whole ms allow; 30 at most."""
        count = max(min(self.length_ms // LEAST_MS, MOST_PARTS), FEWEST_PARTS)
        edges = [self.from_ms + self.length_ms * at // count for at in range(count + 1)]
        return [Span(*edge) for edge in pairwise(edges)]


def span_before(window: Span, starts_at_ms: int | None, pending_ms: int) -> Span:
    """As long a time that ends before the condition began: the rule's `for` (`pending_ms`) and 5
    minutes before `startsAt`, or before the boost where no alert began it."""
    begin_ms = min(window.from_ms, starts_at_ms or window.from_ms) - pending_ms - EARLIER_MS
    return Span(begin_ms - window.length_ms, begin_ms)
