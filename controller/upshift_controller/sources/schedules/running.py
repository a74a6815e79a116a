"""Has the leases of schedules granted in their windows, for as long as a controller runs.

As a level, not as an edge: whatever window is open now is asked for, at its beginning, when a
controller starts, after a reload, and now and then in between. The transition grants each once
(`upshift_rules.leases.overrides.scheduled`), so it does not matter how often or how many
controllers ask, and one that was away when a window began has the rest of it granted. So it takes
no scheduler of jobs beside the event loop: times are those of Redis, as of all leases, and a start
that is missed is no loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice

import structlog

from upshift_rules.leases.changes import Change, Scheduled
from upshift_rules.model import Outcome, Schedule

from ...errors import Unavailable
from ...runtime.slices import each
from .windows import Window, changes, window_at, windows

log = structlog.get_logger()

#: Between two looks, where no window begins sooner: what was lost or refused is asked for again.
LOOK_S = 30.0
#: After one that Redis was away at.
RETRY_S = 2.0
#: Targets in one commit.
_AT_ONCE = 500

#: Target, schedule, start of the window, reason.
_Refused = tuple[str, str, int, str]
Apply = Callable[[Mapping[str, Sequence[Change]]], Awaitable[Mapping[str, Sequence[Outcome]]]]


class _Known:
    """A schedule with the window that is open, and the next one, as of some moment."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.open: Window | None = None
        self.next_ms = 0
        self._from_ms = 0

    def look(self, now_ms: int) -> None:
        # Worked out anew when the next one begins, or the clock was set back.
        if not self._from_ms <= now_ms < self.next_ms:
            self.open = window_at(self.schedule, now_ms)
            later = next(windows(self.schedule, now_ms), None)
            self.next_ms = later.starts_at_ms if later else 2**62
            self._from_ms = now_ms
        if self.open is not None and self.open.ends_at_ms <= now_ms:
            self.open = None


class Running:
    """schedules: returns those in force; the same object as long as they are the same.
    now_ms: returns Redis time. apply: commits changes by target, and returns what became of each.
    told: is told each outcome that is news.
    """

    def __init__(
        self,
        schedules: Callable[[], Sequence[Schedule]],
        now_ms: Callable[[], Awaitable[int]],
        apply: Apply,
        told: Callable[[Outcome], object] = lambda _: None,
    ) -> None:
        self._schedules = schedules
        self._now_ms = now_ms
        self._apply = apply
        self._told = told
        self._of: Sequence[Schedule] = ()
        self._known: list[_Known] = []
        #: Refusals of the windows that are open, which the log has told of.
        self._refused: set[_Refused] = set()
        self._wake = asyncio.Event()

    def reloaded(self) -> None:
        """Look soon: other schedules may be in force."""
        self._wake.set()

    async def run(self) -> None:
        """Look when windows begin, and now and then, for ever."""
        while True:
            self._wake.clear()
            try:
                wait_s = await self.look()
            except Unavailable as error:
                log.warning("schedules postponed", problem=error.detail)
                wait_s = RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def look(self) -> float | None:
        """Ask for what is due now. Return in how many seconds to look again; None: at a reload."""
        if (schedules := self._schedules()) is not self._of:
            self._of, self._known = schedules, [_Known(it) for it in schedules]
        if not (known := self._known):
            return None
        now_ms = await self._now_ms()
        await each(lambda it: it.look(now_ms), known)
        wanted = _by_target(known)
        refused: set[_Refused] = set()
        for start in range(0, len(wanted), _AT_ONCE):
            part = dict(islice(wanted.items(), start, start + _AT_ONCE))
            outcomes = await self._apply(part)
            for target, asked in part.items():
                for change, outcome in zip(asked, outcomes[target], strict=True):
                    self._hear(target, change, outcome, refused)
        self._refused = refused
        next_ms = min(it.next_ms for it in known)
        return min(LOOK_S, max(0.01, (next_ms - now_ms) / 1000))

    def _hear(
        self, target: str, change: Scheduled, outcome: Outcome, refused: set[_Refused]
    ) -> None:
        """Tell of an outcome, unless it is what was told of this window before."""
        if outcome.outcome == "refused":
            key = target, change.schedule, change.starts_at_ms, outcome.reason
            refused.add(key)
            if key in self._refused:
                return
            log.warning(
                "a schedule's lease was refused; it is asked for again in its window",
                schedule=change.schedule,
                target=target,
                reason=outcome.reason,
            )
        if outcome.outcome != "repeat":
            self._told(outcome)


def _by_target(known: Sequence[_Known]) -> dict[str, list[Scheduled]]:
    """What is to be asked for in the windows that are open."""
    wanted: dict[str, list[Scheduled]] = {}
    for it in known:
        if it.open is not None:
            for target in it.schedule.targets:
                wanted.setdefault(target, []).extend(changes(it.schedule, it.open))
    return wanted
