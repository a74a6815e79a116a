"""Which versions begin to live, and which of that is a rollout: what is known, what reports and the
time → new knowledge, in which rollouts wait to be told. Pure.

Rules for editors. A version is **live** while some agent of it has reported within `silence_ms`. A
**rollout** is a version that begins to live while another of its service was live within a day.
What only looks like one is told apart by what is remembered:

- *A restart*: it was there before, and no other version has taken its place. For that, another has
  to have lived without a gap, for longer than `silence_ms`, while it was away. The version that was
  rolled out last (`newest`) is back from a restart, or a crash, though others live beside it (a
  canary), unless it was away for an hour. Any other that comes back is a rollback.
- *The first look*, an emptied Redis, Redis's clock set back: nothing is known, so all that lives is
  learnt, for as long as it takes every agent that lives to report.
- *A pause* in which nobody looked: Redis or all controllers were away, and so may agents have been.
  Nobody counts as gone before everybody had the time to report again. A version that is new after a
  pause is a rollout, unless the pause was longer than `LATE_MS`: a boost would come too late.

A rollout is remembered with its start before anybody acts on it, so that every controller tells the
same trigger, and one that dies in between leaves it to the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from upshift_agent.contract import SERVICE_VERSION, SET_BACK_MS, STATUS_LOST_MS

from .knowledge import Came, Knowledge, Known, Scope, Service

#: A version that was live within so long is another one's predecessor; then it is forgotten.
MEMORY_MS = 24 * 60 * 60 * 1000
#: For so long the newest version may be away and still come back from a restart.
RESTART_MS = 60 * 60 * 1000
#: A rollout that is seen later than this is none any more.
LATE_MS = 15 * 60 * 1000
#: A longer time without a look is a pause.
PAUSE_MS = 20 * 1000
#: How many versions are remembered.
MAX_KNOWN = 10_000

#: Last reports in Redis ms, by version.
Reports = Mapping[str, int]


def look(
    known: Knowledge | None,
    reports: Mapping[Scope, Reports],
    now_ms: int,
    silence_ms: int,
) -> Knowledge:
    """Return what is known after a look. `services` is an equal one where nothing has happened.

    reports: of all versions that may be live; at the first look, of those of the last day.
    """
    if known is None or now_ms < known.looked_ms - SET_BACK_MS:
        known = Knowledge(now_ms, now_ms, now_ms)
    pause_ms = now_ms - known.looked_ms
    resumed_ms = now_ms if pause_ms > PAUSE_MS else known.resumed_ms
    moment = _Moment(now_ms, silence_ms, known, resumed_ms)
    services: dict[Scope, Service] = {}
    for scope in {**known.services, **reports}:
        service = known.services.get(scope) or Service("", {})
        after = moment.after(service, reports.get(scope, {}))
        if after.versions:
            services[scope] = after
    return Knowledge(known.began_ms, max(known.looked_ms, now_ms), resumed_ms, _bounded(services))


def untold(known: Knowledge) -> Iterator[tuple[dict[str, str], int]]:
    """Return the rollouts that wait to be told: the attributes that name them, and their start."""
    for scope, service in known.services.items():
        for version, it in service.versions.items():
            if not it.told:
                yield {**dict(scope), SERVICE_VERSION: version}, it.since_ms


def all_told(known: Knowledge, starts_ms: Collection[int]) -> Knowledge:
    """Return the same, with the rollouts told that began then."""
    services = {}
    for scope, service in known.services.items():
        versions = {
            name: it._replace(told=it.told or it.since_ms in starts_ms)
            for name, it in service.versions.items()
        }
        services[scope] = service._replace(versions=versions)
    return replace(known, services=services)


class _Moment:
    """One look: what holds for all services."""

    def __init__(self, now_ms: int, silence_ms: int, known: Knowledge, resumed_ms: int) -> None:
        self._now_ms = now_ms
        self._silence_ms = silence_ms
        self._looked_ms = known.looked_ms
        self._learning = now_ms - known.began_ms < silence_ms
        self._late = now_ms - known.looked_ms > LATE_MS
        self._may_go = now_ms - resumed_ms >= silence_ms

    def after(self, before: Service, reports: Reports) -> Service:
        versions: dict[str, Known] = {}
        for name, it in before.versions.items():
            if (now := self._going(it, reports.get(name))) is not None:
                versions[name] = now
        arriving = []
        for name, last_ms in sorted(reports.items()):
            found = versions.get(name)
            if found is not None and found.live:
                continue
            if self._lives(last_ms):
                arriving.append(name)
            elif found is None and self._matters(last_ms):
                versions[name] = Known(False, last_ms, last_ms, "learnt")
        newest, there = before.newest, dict(versions)
        for name in arriving:
            came = self._came(name, there, newest)
            told = came != "rollout"
            versions[name] = Known(True, self._now_ms, self._now_ms, came, told)
        coming = [name for name in arriving if versions[name].came in ("rollout", "missed")]
        if coming:
            newest = coming[-1]
        live = [name for name, it in versions.items() if it.live]
        if not newest and len(live) == 1:
            newest = live[0]
        return Service(newest if newest in versions else "", versions)

    def _going(self, it: Known, last_ms: int | None) -> Known | None:
        """What is known of a version that was known; None where it is forgotten."""
        if not it.told and self._now_ms - it.since_ms > LATE_MS:
            it = it._replace(told=True, came="missed")
        if it.live:
            if self._may_go and not (last_ms is not None and self._lives(last_ms)):
                # Of one that is not listed, all that is known is that it was at the last look.
                return it._replace(
                    live=False, last_ms=self._looked_ms if last_ms is None else last_ms
                )
            return it
        return it if self._matters(it.last_ms) else None

    def _came(self, name: str, there: Mapping[str, Known], newest: str) -> Came:
        before = there.get(name)
        others = [it for other, it in there.items() if other != name]
        if before is None:
            if self._learning:
                return "learnt"
            if not others:
                return "first"
        else:
            lived_ms = max((self._lived(it, before.last_ms) for it in others), default=0)
            back = RESTART_MS if newest in ("", name) else self._silence_ms
            if lived_ms < back:
                return "restart"
        return "missed" if self._late else "rollout"

    def _lived(self, it: Known, since_ms: int) -> int:
        """How long a version has lived without a gap, within what has passed since then."""
        until_ms = self._now_ms if it.live else it.last_ms
        return until_ms - max(it.since_ms, since_ms)

    def _lives(self, last_ms: int) -> bool:
        return -STATUS_LOST_MS <= self._now_ms - last_ms < self._silence_ms

    def _matters(self, last_ms: int) -> bool:
        return -STATUS_LOST_MS <= self._now_ms - last_ms < MEMORY_MS


def _bounded(services: dict[Scope, Service]) -> dict[Scope, Service]:
    """Forget those versions first that have been away for longest."""
    beyond = sum(len(it.versions) for it in services.values()) - MAX_KNOWN
    if beyond <= 0:
        return services
    rows = sorted(
        (it.live, it.last_ms, scope, name)
        for scope, service in services.items()
        for name, it in service.versions.items()
    )
    for _, _, scope, name in rows[:beyond]:
        service = services[scope]
        left = {other: it for other, it in service.versions.items() if other != name}
        services[scope] = Service(service.newest if service.newest in left else "", left)
    return {scope: service for scope, service in services.items() if service.versions}
