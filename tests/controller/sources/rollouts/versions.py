"""A service on virtual time: which versions live, who looks at them, and what is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from upshift_controller.sources.rollouts.deciding import MEMORY_MS, all_told, look, untold
from upshift_controller.sources.rollouts.knowledge import Knowledge, Scope, decode, encode
from upshift_controller.sources.rollouts.watching import Reported, Stored

START_MS = 1_795_395_815_000
SECOND = 1000
MINUTE = 60 * SECOND
SILENCE_MS = 30 * SECOND
CHECKOUT: Scope = (("deployment.environment.name", "production"), ("service.name", "checkout"))


@dataclass
class Index:
    """What agents write: the last report by version. Those in `live` report every 15 s."""

    now_ms: int = START_MS
    live: set[str] = field(default_factory=set)
    last_ms: dict[str, int] = field(default_factory=dict)
    reachable: bool = True

    def starts(self, *versions: str) -> None:
        """Agents report as soon as they start."""
        self.live.update(versions)
        if self.reachable:
            self.last_ms |= dict.fromkeys(versions, self.now_ms)

    def stops(self, *versions: str) -> None:
        self.live.difference_update(versions)

    def passes(self, ms: int) -> None:
        self.now_ms += ms
        if self.reachable:
            for version in self.live:
                if self.now_ms - self.last_ms.get(version, 0) >= 15 * SECOND:
                    self.last_ms[version] = self.now_ms

    def reports(self, since_ms: int) -> dict[str, int]:
        return {it: at for it, at in self.last_ms.items() if at >= since_ms}


@dataclass
class Watched:
    """The index with one controller that looks every 2 s; what is known goes through its stored
    form each time, as when it restarts."""

    index: Index = field(default_factory=Index)
    known: Knowledge | None = None
    told: list[str] = field(default_factory=list)
    looking: bool = True

    def passes(self, ms: int) -> None:
        """Looks are 2 s apart; in a long time 15 s, which makes no difference."""
        end_ms = self.index.now_ms + ms
        while self.index.now_ms < end_ms:
            step_ms = 2 * SECOND if ms < 3 * MINUTE else 15 * SECOND
            self.index.passes(min(step_ms, end_ms - self.index.now_ms))
            if self.looking and self.index.reachable:
                self.look()

    def look(self) -> None:
        now_ms = self.index.now_ms
        window_ms = MEMORY_MS if self.known is None else 2 * SILENCE_MS
        reports = {CHECKOUT: self.index.reports(now_ms - window_ms)}
        known = look(self.known, reports, now_ms, SILENCE_MS)
        found = list(untold(known))
        self.told += [attributes["service.version"] for attributes, _ in found]
        known = all_told(known, {since_ms for _, since_ms in found})
        self.known = decode(encode(known).encode())
        assert self.known == known

    def runs(self, *versions: str, ms: int = 5 * MINUTE) -> None:
        """Exactly these live, for a while."""
        self.index.stops(*self.index.live.difference(versions))
        self.index.starts(*set(versions).difference(self.index.live))
        self.passes(ms)

    def came(self, version: str) -> str:
        assert self.known is not None
        return self.known.services[CHECKOUT].versions[version].came


def rolled(*steps: Sequence[str]) -> Watched:
    """A service that runs these versions one after the other, 5 minutes each."""
    watched = Watched()
    for versions in steps:
        watched.runs(*versions)
    return watched


class Kept:
    """`watching.Versions` in memory, for several controllers."""

    silence_ms = SILENCE_MS

    def __init__(self, index: Index) -> None:
        self.index = index
        self.stored: Stored = Stored(None, "")

    async def reported(self, *, all_known: bool) -> Reported:
        now_ms = self.index.now_ms
        window_ms = MEMORY_MS if all_known else 2 * SILENCE_MS
        return Reported(now_ms, {CHECKOUT: self.index.reports(now_ms - window_ms)})

    async def known(self) -> Stored:
        return self.stored

    async def replace(self, before: Stored, known: Knowledge) -> Stored | None:
        if before.version != self.stored.version:
            return None
        self.stored = Stored(decode(encode(known).encode()), f"{self.stored.version}+")
        return self.stored
