"""What engineers ask for: a lease of their own, an early end, another baseline."""

from __future__ import annotations

from upshift_agent.wire import Lease

from .changes import Entry, Override, Release, SetBaseline
from .draft import Draft
from .durations import format_duration
from .model import Outcome


def override(draft: Draft, change: Override) -> Outcome:
    lease = Lease(
        id=change.id,
        kind=change.kind,
        hz=change.hz,
        since_ms=draft.now_ms,
        expires_at_ms=draft.now_ms + change.duration_ms,
        where=change.where,
        because=change.because,
    )
    if why := draft.unfit(lease):
        return Outcome(outcome="refused", reason=why, target=draft.target)
    if refusal := draft.refused.get(lease.id):
        draft.refuse(lease, refusal)
        return Outcome(
            outcome="refused", reason=refusal.reason, target=draft.target, refusal=refusal
        )
    draft.put(lease, "granted")
    return Outcome(
        outcome="granted",
        reason=f"{change.kind} {change.hz} Hz for {format_duration(change.duration_ms)}",
        target=draft.target,
        lease=lease.id,
        hz=change.hz,
        until_ms=lease.expires_at_ms,
    )


def release(draft: Draft, change: Release) -> Outcome:
    """End leases early. Their alerts' repeats bring nothing back; a new alert may."""
    found = [it for it in draft.leases.values() if change.lease in (None, it.id)]
    if not found:
        what = f"lease {change.lease}" if change.lease else "lease"
        reason = f"{draft.target} has no {what}; it may have ended by itself"
        return Outcome(outcome="no_lease", reason=reason, target=draft.target, lease=change.lease)
    by, via = change.because.get("by"), change.because.get("via")
    how = "released" + (f" by {by}" if by else "") + (f", via {via}" if via else "")
    for lease in found:
        draft.end(lease, "released", how, change.because)
        for key, episode in draft.episodes.items():
            if episode.lease == lease.id and not episode.ended:
                draft.episodes[key] = episode._replace(ended="released", ended_ms=draft.now_ms)
    return Outcome(
        outcome="released",
        reason=f"released {', '.join(it.id for it in found)}",
        target=draft.target,
        lease=change.lease,
        until_ms=draft.now_ms,
    )


def set_baseline(draft: Draft, change: SetBaseline) -> Outcome:
    reason = f"baseline {change.baseline.default} Hz by default"
    if change.baseline == draft.baseline:
        return Outcome(outcome="repeat", reason=reason, target=draft.target)
    draft.baseline = change.baseline
    draft.entries.append(Entry(event="baseline", reason=reason, baseline=change.baseline))
    hz = change.baseline.default
    return Outcome(outcome="granted", reason=reason, target=draft.target, hz=hz)
