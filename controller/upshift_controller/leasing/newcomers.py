"""Counts the new targets that each token's alerts make. Pure: it is handed the time.

A target costs some kilobytes of Redis for a day, and a line of every answer about targets. Who may
send alerts may name as many services as they like, so new ones are counted: as many as the limit at
once, and as many again in each hour. A target that agents report to, or that has a state, is never
in question; and operators make the targets that they name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from upshift_rules.leases.limiting.reservations import HOUR_MS

#: Senders that are told apart; client certificates may have any number of names.
MAX_SENDERS = 1000


class Newcomers:
    """How many new targets each sender has made of late.

    most: returns the limit in force, for each sender.
    """

    def __init__(self, most: Callable[[], int]) -> None:
        self.most = most
        #: Sender → how many it has made that are not made good yet, and as of when.
        self._made: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, sender: str, wanted: int, now_ms: float) -> int:
        """Return how many of `wanted` new targets may be made; these are counted from now on."""
        made = self._of(sender, now_ms)
        granted = max(0, min(wanted, int(self.most() - made)))
        self._keep(sender, made + granted, now_ms)
        return granted

    def give_back(self, sender: str, count: int, now_ms: float) -> None:
        """Count `count` targets no longer: they were known, or have not been made."""
        self._keep(sender, max(0.0, self._of(sender, now_ms) - count), now_ms)

    def _of(self, sender: str, now_ms: float) -> float:
        made, at_ms = self._made.get(sender, (0.0, now_ms))
        return max(0.0, made - (now_ms - at_ms) * self.most() / HOUR_MS)

    def _keep(self, sender: str, made: float, now_ms: float) -> None:
        self._made[sender] = made, now_ms
        self._made.move_to_end(sender)
        if len(self._made) > MAX_SENDERS:
            self._made.popitem(last=False)
