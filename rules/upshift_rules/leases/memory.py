"""What is remembered of a target's alerts: bounded, without being wrong about any of them. Pure.

Rules for editors. What is too much is forgotten, those first that were heard longest ago, and
leaves behind until when the last of them was known to fire (`Forgotten`): an alert that is not
remembered and began by then counts as known. So an alert that was forgotten gets no second boost
when it is repeated, though its `startsAt` may have moved. The price is that one which was never
heard of, and began by then, gets none of its own either: it joins a boost that runs, and is told
why. Nor can anybody know when a forgotten alert resolves, so no boost of the case is reverted for a
day after one was heard: it ends on schedule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Mapping
from operator import itemgetter

from .state import NOBODY, RESOLVED, Case, Episode, Episodes, Forgotten

#: Episodes, and cases, that are remembered of a target; see `boosts` for what becomes of the rest.
MAX_EPISODES = MAX_CASES = 512
#: How long after an alert has resolved a late word of its firing is known as such; after it was
#: heard last, it counts as firing; and after a refusal, that one is not told again.
MEMORY_MS = 24 * 60 * 60 * 1000
#: When an alert of which no resolution has come is as good as never heard of.
UNHEARD_MS = 7 * MEMORY_MS
#: How far apart two Prometheis may begin the same episode, where no more is known of it.
MOVES_MS = 60 * 1000
#: How far a sender's clock may be ahead before it is not believed.
SKEW_MS = 5 * 60 * 1000


_UNTIL_MS = itemgetter(Episode._fields.index("until_ms"))


def remembered(
    cases: Mapping[str, Case], live: Container[str], forgotten: Forgotten, now_ms: int
) -> tuple[dict[str, Case], Forgotten]:
    """Return `cases` within their bounds, and what is left of those forgotten as a whole.

    live: the ids of leases that live; their cases stay.
    """
    kept = {}
    for scope, case in cases.items():
        case = _without_old(case, now_ms)
        if case.episodes or case.lease in live or _matters(case, now_ms):
            kept[scope] = case
    if len(kept) > MAX_CASES:
        ended = sorted(
            (case.lease in live or _of_schedule(case), _heard_ms(case), scope)
            for scope, case in kept.items()
        )
        for _, _, scope in ended[: len(kept) - MAX_CASES]:
            forgotten = _left(_forget(kept.pop(scope), 0, now_ms).forgotten, forgotten)
    sizes = [len(case.episodes) for case in kept.values()]
    if sum(sizes) > MAX_EPISODES:
        # The most that each case may have, so that one storm leaves the others alone.
        share = (
            bisect_right(range(MAX_EPISODES + 1), MAX_EPISODES, key=lambda n: _taken(sizes, n)) - 1
        )
        kept = {scope: _forget(case, share, now_ms) for scope, case in kept.items()}
    return kept, forgotten if forgotten.heard_ms > now_ms - UNHEARD_MS else NOBODY


def _taken(sizes: list[int], share: int) -> int:
    return sum(min(size, share) for size in sizes)


def _without_old(case: Case, now_ms: int) -> Case:
    """Return a case without old episodes, and without those ahead of a clock that was set back."""
    ahead_ms, recent_ms = now_ms + SKEW_MS, now_ms - MEMORY_MS
    episodes, refusal, forgotten = case.episodes, case.refusal, case.forgotten
    # Each change of a target looks at all of its cases, so this is quick where nothing is old.
    known = episodes.span if type(episodes) is Episodes else None
    least_ms, most_ms = known or (_span(episodes) if episodes else (now_ms, now_ms))
    if not recent_ms < least_ms <= most_ms <= ahead_ms:
        episodes = {
            identity: episode._replace(until_ms=now_ms) if episode.until_ms > ahead_ms else episode
            for identity, episode in episodes.items()
            if not _is_old(episode, now_ms)
        }
    elif refusal is None and not any(forgotten):
        return case
    if refusal is not None and not now_ms - MEMORY_MS < refusal.at_ms <= ahead_ms:
        refusal = None
    if forgotten.heard_ms > ahead_ms:
        forgotten = Forgotten(min(forgotten.until_ms, ahead_ms), now_ms)
    elif forgotten.heard_ms <= now_ms - UNHEARD_MS:
        forgotten = NOBODY
    if episodes is case.episodes and refusal is case.refusal and forgotten is case.forgotten:
        return case
    return case._replace(episodes=episodes, refusal=refusal, forgotten=forgotten)


def _span(episodes: Mapping[str, Episode]) -> tuple[int, int]:
    """Return the least and the greatest `until_ms` of episodes that are not changed any more."""
    until_ms = [*map(_UNTIL_MS, episodes.values())]
    span = min(until_ms), max(until_ms)
    if isinstance(episodes, Episodes):
        episodes.span = span
    return span


def _is_old(episode: Episode, now_ms: int) -> bool:
    return episode.until_ms <= now_ms - (MEMORY_MS if episode.ended == RESOLVED else UNHEARD_MS)


def _matters(case: Case, now_ms: int) -> bool:
    """Whether a case without episodes and without a live lease is to be kept."""
    return bool(case.refusal or any(case.forgotten) or case.cooling_ms > now_ms)


def _of_schedule(case: Case) -> bool:
    """Whether a case is of a schedule's window, which has a start and no lease by name."""
    return case.started_ms > 0 and not case.lease


def _heard_ms(case: Case) -> int:
    return max(
        case.forgotten.heard_ms,
        case.started_ms,
        case.refusal.at_ms if case.refusal else 0,
        *(episode.until_ms for episode in case.episodes.values()),
    )


def _forget(case: Case, share: int, now_ms: int) -> Case:
    """Return a case with the `share` newest of its episodes."""
    surplus = len(case.episodes) - share
    if surplus <= 0:
        return case
    rows = sorted((_last_ms(episode), identity) for identity, episode in case.episodes.items())
    return case._replace(
        episodes={key: case.episodes[key] for _, key in rows[surplus:]},
        forgotten=_left(case.forgotten, Forgotten(rows[surplus - 1][0], now_ms)),
    )


def _last_ms(episode: Episode) -> int:
    """What began by then belongs to this episode. A clock may be ahead, though not too far."""
    return max(episode.until_ms, min(episode.began_ms, episode.until_ms + SKEW_MS))


def _left(one: Forgotten, other: Forgotten) -> Forgotten:
    return Forgotten(*map(max, one, other))
