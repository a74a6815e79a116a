"""What a controller watches unasked beside Redis: lists of alerts, rollouts, schedules, guards.

And whom it tells. Each is supervised by itself: one that fails costs none of the others its work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from upshift_rules.model import Trigger

from .configuration import InForce
from .core import Core
from .evidence.asked import ENDED, Entry, boosts
from .evidence.reporter import Reporter
from .leasing.committer import Committed
from .leasing.guarding.stop_if import StopIf
from .metrics import Metrics
from .notify.notifier import Notifier
from .sources.alertmanager.lists import Lists
from .sources.rollouts.watching import Rollouts
from .sources.schedules.running import Running
from .storage.reports.evidence import Evidence
from .storage.reports.versions import Versions
from .views.schedules import Schedules, shown

#: What a rollout takes while it waits to be recorded, roughly.
_BYTES = 1000


class Watches:
    """record: is told rollouts, to keep them for replays; None: nobody keeps any."""

    def __init__(
        self,
        core: Core,
        in_force: InForce,
        metrics: Metrics,
        versions: Versions,
        evidence: Evidence,
        record: Callable[[Sequence[Trigger], int], object] | None = None,
    ) -> None:
        self._core = core
        self._in_force = in_force
        self._metrics = metrics
        self.stop_if = StopIf(core.store, core.committer, core.asker, in_force.stop_if_every_s)
        self._notifier = Notifier(in_force.destinations, metrics.notice)
        self.reporter = Reporter(
            in_force.backend,
            in_force.baseline,
            evidence,
            lambda outcome: metrics.reports.labels(outcome).inc(),
        )
        self._record = record
        self.rollouts = Rollouts(
            versions, lambda: record is not None or in_force.on_rollout(), self._rolled_out
        )
        self.scheduler = Running(
            in_force.schedules,
            self.redis_ms,
            lambda wanted: core.committer.apply(wanted, "operators"),
            lambda outcome: metrics.scheduled.labels(outcome.outcome).inc(),
        )
        self.lists = Lists(in_force.alertmanager, in_force.rules, metrics.read_list)

    def works(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """What is to run for as long as the controller does, each with its name."""
        self._core.asker.prepare()
        yield "lists", partial(self.lists.watch, self._listed)
        yield "schedules", self.scheduler.run
        yield "notices", self._notifier.run
        yield "reports", self.reporter.run
        yield "rollouts", self.rollouts.watch
        yield "stop_if", self.stop_if.watch

    def reloaded(self) -> None:
        self.lists.wake()
        self.scheduler.reloaded()
        self._notifier.reloaded()

    def committed(self, done: Committed) -> None:
        self.stop_if.notice(done.state)
        self._notifier.committed(done)
        if self.reporter.has_backend:
            ended = [
                Entry(done.state.target, done.now_ms, it.event, it.lease.to_json())
                for it in done.entries
                if it.event in ENDED and it.lease is not None
            ]
            for boost in boosts(ended, done.now_ms):
                self.reporter.ended(boost)

    async def drain(self) -> None:
        """Before the works end: tell what is left to be told."""
        await self._notifier.drain()

    async def schedules(self, count: int) -> Schedules:
        """Those in force, each with so many of its next windows."""
        return await shown(self._in_force.schedules(), await self.redis_ms(), count)

    async def redis_ms(self) -> int:
        return (await self._core.store.read(())).now_ms

    async def _listed(self, triggers: Sequence[Trigger]) -> None:
        """Receive what is news in Alertmanager's lists."""
        self._core.triggers.check_room()
        self._metrics.listed(await self._core.triggers.receive(triggers, "Alertmanager"))

    async def _rolled_out(self, found: Sequence[Trigger]) -> None:
        for account in await self._core.triggers.receive(found, "rollouts"):
            for outcome in account.outcomes:
                self._metrics.rollouts.labels(outcome.outcome).inc()
        if self._record is not None:
            self._record(found, _BYTES * len(found))
