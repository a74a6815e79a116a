"""What goes wrong is logged, but never over and over."""

from __future__ import annotations

from .log import log, text_of

MAX_DIFFERENT = 50  # a complaint may hold anything, so their number must have an end

#: Redis before version 6 repeats a login that it does not understand, password and all.
_REPEATED = ", with args beginning with"


def harmless(error: BaseException) -> str:
    """What an error of Redis says, without what it repeats. Only time-outs say nothing."""
    return text_of(error).partition(_REPEATED)[0] or "no answer in time"


class Complaints:
    def __init__(self) -> None:
        self._made: set[str] = set()

    def make(self, complaint: str) -> None:
        """Log a warning, unless the same one was logged before."""
        if complaint not in self._made and len(self._made) < MAX_DIFFERENT:
            self._made.add(complaint)
            log.warning("%s", complaint)

    def forget(self) -> None:
        """All is well again: what comes next is news."""
        self._made.clear()
