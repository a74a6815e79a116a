"""An estimate of Redis time that wrong or jumping wall clocks cannot touch."""

from __future__ import annotations


class RedisClock:
    """Redis time = a monotonic clock + an offset. All times in milliseconds."""

    def __init__(self, wall_ms: float, monotonic_ms: float) -> None:
        """Until Redis is heard of there are no leases either, so the wall clock will do."""
        self._offset = wall_ms - monotonic_ms
        self._heard = False
        #: Whether `TIME` has been answered yet.
        self.synchronised = False

    def now_ms(self, monotonic_ms: float) -> int:
        return int(monotonic_ms + self._offset)

    def hear(self, redis_ms: float, monotonic_ms: float) -> None:
        """Take the `now_ms` of a pushed plan, for want of anything better."""
        if not self._heard:
            self._offset = redis_ms - monotonic_ms
            self._heard = True

    def observe(self, redis_ms: float, sent_ms: float, received_ms: float) -> bool:
        """Take an answer to `TIME`, read somewhere between `sent_ms` and `received_ms`.

        It bounds the offset. An estimate within the bounds stays, so that a slow answer never
        spoils one that a quick answer gave; another one moves to their middle.
        Return whether it moved.
        """
        low, high = redis_ms - received_ms, redis_ms - sent_ms
        moves = not self.synchronised or not low <= self._offset <= high
        if moves:
            self._offset = (low + high) / 2
        self._heard = self.synchronised = True
        return moves
