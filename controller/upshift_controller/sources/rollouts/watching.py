"""Looks at which versions report, and hands each rollout on as a trigger.

The decision is `deciding`'s; here are the looks, and that several controllers agree: what is known
is one document, compared and set. Mostly a look changes nothing of it, and then nothing is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from upshift_rules.model import Trigger
from upshift_rules.rollouts import in_words, rollout

from ...errors import Unavailable
from .deciding import Reports, all_told, look, untold
from .knowledge import Knowledge, Scope

log = structlog.get_logger()

#: From one look to the next. An agent's first report is seen within it.
LOOK_S = 2.0
#: How often what is known is written though nothing has happened: it says when the last look was.
WRITE_MS = 10_000
#: When a rollout that another controller has found, and not told, is told here.
HELP_MS = 5_000
#: Each attempt lost means that another controller has looked.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Reported:
    """Last reports by version, at `now_ms`, both in Redis ms. too_many: there are others."""

    now_ms: int
    services: Mapping[Scope, Reports]
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known, as it is stored; None where nothing is. version: for `replace`."""

    known: Knowledge | None
    version: str


class Versions(Protocol):
    """Where versions and what is known of them are. Methods raise `Unavailable`.

    silence_ms: a version of which nobody has reported for so long does not live.
    """

    silence_ms: int

    async def reported(self, *, all_known: bool) -> Reported:
        """Return those that may live; `all_known`: those of the last day."""

    async def known(self) -> Stored:
        """Return what is stored."""

    async def replace(self, before: Stored, known: Knowledge) -> Stored | None:
        """Store `known`, unless another controller was quicker: None."""


class Rollouts:
    """wanted: returns whether any rule asks for rollouts. fire: lets triggers do what rules say."""

    def __init__(
        self,
        versions: Versions,
        wanted: Callable[[], bool],
        fire: Callable[[Sequence[Trigger]], Awaitable[object]],
    ) -> None:
        self._versions = versions
        self._wanted = wanted
        self._fire = fire
        self._stored: Stored | None = None  # as it was read or written last
        self._known: Knowledge | None = None  # of the last look
        self._away = False
        self._too_many = False

    async def watch(self) -> None:
        """Look, for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except Unavailable as error:
                if not self._away:
                    log.warning("rollouts are looked for later", problem=error.detail)
                self._away, self._stored = True, None
            else:
                self._away = False

    async def look(self) -> None:
        """Look once, and tell what is new. Raise `Unavailable`."""
        if not self._wanted():
            self._stored = None
            return
        for _ in range(_ATTEMPTS):
            if self._stored is None:
                self._stored = await self._versions.known()
                self._known = self._stored.known
            stored, before = self._stored, self._known
            reported = await self._versions.reported(all_known=before is None)
            if before is not None and self._beyond(reported):
                return
            known = look(before, reported.services, reported.now_ms, self._versions.silence_ms)
            if await self._keep(stored, known):
                await self._tell(known, reported.now_ms)
                return

    def _beyond(self, reported: Reported) -> bool:
        """Whether there are more versions than a look can tell of: the others would seem to go."""
        if reported.too_many and not self._too_many:
            log.warning("no rollout is looked for: too many versions report at once")
        self._too_many = reported.too_many
        return reported.too_many

    async def _keep(self, stored: Stored, known: Knowledge) -> bool:
        """Store what is known, where that says anything new; False: others have been quicker."""
        was = stored.known
        news = was is None or was.services != known.services or was.began_ms != known.began_ms
        if news or was is None or known.looked_ms - was.looked_ms >= WRITE_MS:
            self._stored = await self._versions.replace(stored, known)
            if self._stored is None:
                return False
        self._known = known
        return True

    async def _tell(self, known: Knowledge, now_ms: int) -> None:
        """Tell the rollouts that were found here, and those that others have left untold."""
        due = [
            rollout(attributes, since_ms)
            for attributes, since_ms in untold(known)
            if since_ms == now_ms or now_ms - since_ms > HELP_MS
        ]
        if not due:
            return
        for trigger in due:
            log.info("rollout", what=in_words(trigger))
        await self._fire(due)
        told = all_told(known, {it.starts_at_ms for it in due})
        if self._stored is not None:
            self._known, self._stored = told, await self._versions.replace(self._stored, told)
