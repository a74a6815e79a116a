"""What a controller does unasked: end leases, publish the baseline, sign plans anew."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog

from upshift_agent.contract import FLEET, SET_BACK_MS, Baseline, shorten
from upshift_rules.leases.changes import Change, SetBaseline
from upshift_rules.leases.transition import republished
from upshift_rules.model import RuleSet

from .committer import Committer
from .ports import BATCH, States, Write

log = structlog.get_logger()


class Upkeep:
    """Ends what has expired, publishes the baseline, and signs anew.

    rules: returns those in force.
    """

    def __init__(self, states: States, committer: Committer, rules: Callable[[], RuleSet]) -> None:
        self._states = states
        self._committer = committer
        self._rules = rules
        #: Latest Redis time seen. At the start nobody knows what the clock did before.
        self._newest_ms = math.inf
        self._baseline: Baseline | None = None  # that was published last
        self._since_ms = 0  # since when it has been in force, in Redis ms
        self._outdone: str | None = None  # why it is not, as it was logged

    async def publish_baseline(self) -> None:
        """Tell the fleet its baseline, unless it knows: first start, reload, data lost.

        Where another controller's configuration is newer, that one stays, and the log says so.
        """
        baseline = self._rules().baseline
        if baseline != self._baseline:
            snapshot = await self._states.read([FLEET])
            known = snapshot.states[FLEET].configured
            # Above what is there, also where Redis' clock was set back.
            self._since_ms = max(snapshot.now_ms, known.since_ms + 1)
            baseline = self._baseline = self._rules().baseline  # a reload may have come
        change = SetBaseline(baseline, self._since_ms)
        outcome = (await self._committer.apply({FLEET: [change]}, "operators"))[FLEET][0]
        refused = outcome.reason if outcome.outcome == "refused" else None
        if refused and refused != self._outdone:
            log.warning(
                "this controller's baseline is not in force; give all the same configuration, "
                "or restart the one that is right",
                reason=refused,
                here=shorten(baseline.to_json()),
            )
        self._outdone = refused

    async def sign_anew(self) -> int:
        """Sign every state and plan anew that another secret has signed; return how many states.

        Else agents that know only the newest secret could not read it. A target that another
        controller changes meanwhile is left to that one, or to the next call.
        """
        names = await self._states.signed_otherwise()
        for start in range(0, len(names), BATCH):
            snapshot = await self._states.read(names[start : start + BATCH])
            writes = [
                Write(state, republished(state, snapshot.now_us), (), snapshot.now_us)
                for state in snapshot.states.values()
            ]
            await self._states.commit(writes)
        return len(names)

    async def revert_due(self) -> tuple[int, int | None]:
        """End all leases that have expired. Return Redis time and the next expiry, both in ms."""
        seen: set[str] = set()
        while True:
            now_ms, due, next_ms = await self._states.due(BATCH)
            if now_ms < self._newest_ms - SET_BACK_MS:
                await self._look_at_all_leases()
                self._newest_ms = now_ms
                continue
            self._newest_ms = max(self._newest_ms, now_ms)
            if not due:
                return now_ms, next_ms
            await self._committer.apply({target: [] for target in due}, "ends")
            if stuck := seen.intersection(due):
                await self._states.settle(sorted(stuck))
            seen = set(due)

    async def _look_at_all_leases(self) -> None:
        """Bound leases that begin later than now: Redis's clock was set back, or may have been."""
        names = await self._states.leased_targets()
        for start in range(0, len(names), BATCH):
            changes: dict[str, list[Change]] = {name: [] for name in names[start : start + BATCH]}
            await self._committer.apply(changes, "ends")
