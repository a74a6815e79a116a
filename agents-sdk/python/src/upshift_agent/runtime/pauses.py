"""How long what failed as a whole waits before it is tried again. Light: loaded with `Agent`."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_S = 1.0
LONGEST_S = 60.0


def pauses() -> Iterator[float]:
    """Seconds, twice as many each time, and never an end."""
    pause_s = FIRST_S
    while True:
        yield pause_s
        pause_s = min(LONGEST_S, 2 * pause_s)
