"""Carries out what operators and schedules ask for: a lease, an early end, another baseline."""

from __future__ import annotations

from dataclasses import replace

from upshift_agent.contract import ALL, CPU, Baseline, Cause, Kind, Lease, dump, shorten, shown

from ..durations import format_duration
from ..model import Outcome, OutcomeName
from . import boosts
from .changes import Entry, Override, Release, Scheduled, SetBaseline, Stop
from .draft import Draft, digest
from .rooms import outlasted
from .state import STOPPED, Configured, NotedRefusal

#: How often a controller says that its configuration is in force; and without a word it is gone.
SAY_EVERY_MS = 60 * 1000
GONE_MS = 5 * SAY_EVERY_MS


def unnamed(kind: Kind, hz: int) -> str:
    """Return the profile of an override that names none. A kill switch is for every one."""
    return ALL if kind == "cap" and hz == 0 else CPU


def override(draft: Draft, change: Override) -> Outcome:
    usual = unnamed(change.kind, change.hz)
    profile = change.profile or usual
    lease = Lease(
        id=change.id,
        kind=change.kind,
        profile=profile,
        hz=change.hz,
        since_ms=draft.now_ms,
        expires_at_ms=draft.now_ms + change.duration_ms,
        where=change.where,
        cause=change.cause,
    )
    why = draft.unfit(lease)
    if why and (shorter := outlasted(lease, draft.leases.values())):
        draft.end(shorter, "released", f"{lease.id} lasts longer, and takes its place")
        why = None
    if why:
        return Outcome(outcome="refused", reason=why, target=draft.target)
    if refusal := draft.refused.get(lease.id):
        draft.refuse(lease, refusal)
        return Outcome(
            outcome="refused", reason=refusal.reason, target=draft.target, refusal=refusal
        )
    nobody = draft.reaching_nobody(lease)
    nobody += draft.guard(lease, change.stop_if)
    draft.put(lease, "granted", lease.reason + nobody)
    named = "" if profile == usual else f"{profile} "
    what = f"{change.kind} {named}{shown(profile, change.hz)}"
    return Outcome(
        outcome="granted",
        reason=f"{what} for {format_duration(change.duration_ms)}{nobody}",
        target=draft.target,
        lease=lease.id,
        hz=change.hz,
        profile=profile,
        until_ms=lease.expires_at_ms,
    )


def scheduled(draft: Draft, change: Scheduled) -> Outcome:
    """Grant a schedule's lease until its window ends; one that runs from the window before runs on.

    Each window has one chance, whoever asks how often: its case knows the newest start that was
    granted until that window is over. So what is released in between stays released.
    """
    usual = unnamed(change.kind, change.hz)
    profile = change.profile or usual
    apart = profile != usual
    key = f"{change.schedule}:{profile}" if apart else change.schedule
    case = draft.case(key)

    def outcome(name: OutcomeName, reason: str, lease: Lease | None = None) -> Outcome:
        return Outcome(
            outcome=name,
            reason=reason,
            target=draft.target,
            lease=lease.id if lease else None,
            hz=change.hz,
            profile=profile,
            until_ms=lease.expires_at_ms if lease else None,
        )

    if draft.now_ms >= change.ends_at_ms:
        return outcome("repeat", "its window is over")
    if case.started_ms >= change.starts_at_ms:
        return outcome("repeat", "one lease for each window, and it had one")
    named = f"{key}/{digest(f'{draft.target} {key} {change.starts_at_ms} {draft.before.rev}', 8)}"
    lease = Lease(
        id=named,
        kind=change.kind,
        profile=profile,
        hz=change.hz,
        since_ms=draft.now_ms,
        expires_at_ms=change.ends_at_ms,
        where=change.where,
        cause=Cause.of_schedule(change.schedule),
    )
    what = f"{change.kind} {f'{profile} ' * apart}{shown(profile, change.hz)}"
    length = format_duration(change.ends_at_ms - draft.now_ms)
    if running := next((it for it in draft.leases.values() if _is_as(it, lease)), None):
        draft.change(key, started_ms=change.starts_at_ms, cooling_ms=change.ends_at_ms)
        if running.expires_at_ms >= change.ends_at_ms:
            return outcome("joined", f"{running.reason} lasts as long", running)
        running = replace(running, expires_at_ms=change.ends_at_ms)
        draft.put(running, "renewed", f"{running.reason}; its next window has begun")
        return outcome("renewed", f"{what} for {length} from now", running)
    if why := draft.unfit(lease):
        return outcome("refused", why)
    if refusal := draft.refused.get(lease.id):
        asked, told = str(change.starts_at_ms), case.refusal
        if told is None or (told.identity, told.limit) != (asked, refusal.limit):
            draft.change(key, refusal=NotedRefusal(asked, refusal.limit, draft.now_ms))
            draft.refuse(lease, refusal)
        return replace(outcome("refused", refusal.reason), refusal=refusal)
    # The case does not name the lease: `Draft.end` would have it forget the window with that.
    draft.change(key, started_ms=change.starts_at_ms, cooling_ms=change.ends_at_ms, refusal=None)
    nobody = draft.reaching_nobody(lease)
    draft.put(lease, "granted", lease.reason + nobody)
    return outcome("granted", f"{what} for {length}{nobody}", lease)


def _is_as(lease: Lease, wanted: Lease) -> bool:
    """Whether a lease is of the same schedule, and says the same."""
    return lease.cause.schedule == wanted.cause.schedule and all(
        getattr(lease, name) == getattr(wanted, name) for name in ("kind", "profile", "hz", "where")
    )


def release(draft: Draft, change: Release) -> Outcome:
    """End leases early. Their alerts' repeats bring nothing back; a new alert may."""
    found = [lease for lease in draft.leases.values() if change.lease in (None, lease.id)]
    if not found:
        what = f"lease {change.lease}" if change.lease else "lease"
        reason = f"{draft.target} has no {what}; it may have ended by itself"
        return Outcome(outcome="no_lease", reason=reason, target=draft.target, lease=change.lease)
    by, via = change.cause.by, change.cause.via
    how = "released" + (f" by {by}" if by else "") + (f", via {via}" if via else "")
    for lease in found:
        boosts.release(draft, lease)
        draft.end(lease, "released", how, change.cause)
    return Outcome(
        outcome="released",
        reason=f"released {', '.join(lease.id for lease in found)}",
        target=draft.target,
        lease=change.lease,
        until_ms=draft.now_ms,
    )


def stop(draft: Draft, change: Stop) -> Outcome:
    """End a boost whose `stop_if` was true, unless it has ended: who comes second changes nothing.

    As after a release, its alerts' repeats bring nothing back.
    """
    lease = draft.leases.get(change.lease)
    if lease is None:
        reason = f"{draft.target} has no lease {change.lease}; it has ended"
        return Outcome(outcome="no_lease", reason=reason, target=draft.target, lease=change.lease)
    boosts.release(draft, lease, STOPPED)
    draft.end(lease, "reverted", f"stop_if {change.why}")
    return Outcome(
        outcome="reverted",
        reason=f"stop_if {change.why}",
        target=draft.target,
        lease=lease.id,
        until_ms=draft.now_ms,
    )


def aim(draft: Draft) -> Outcome:
    """Move leases for a share of the agents on, where all that they selected are gone."""
    moved = []
    for lease in list(draft.leases.values()):
        if (better := draft.aim(lease)) is not lease:
            why = f"{lease.reason}; it reached nobody any more: now{draft.for_whom(better)[1:]}"
            draft.put(better, "moved", why)
            moved.append(lease.id)
    reason = f"moved {', '.join(moved)}" if moved else "every lease reaches somebody"
    return Outcome(outcome="granted" if moved else "repeat", reason=reason, target=draft.target)


def set_baseline(draft: Draft, change: SetBaseline) -> Outcome:
    """Put a baseline in force, unless another controller's newer configuration is.

    Of two configurations that differ, the one put in force last wins, for as long as one of its
    controllers is there. That controller repeats it now and then, of which agents hear nothing.
    """
    mine, said = change.baseline, draft.configured
    reason = f"baseline {mine.default} Hz by default"
    for profile, hz in mine.profiles.items():
        reason += f", {profile} {shown(profile, hz)}"
    if mine == draft.baseline:
        if draft.now_ms - said.seen_ms >= SAY_EVERY_MS:
            draft.configured = Configured(max(said.since_ms, change.since_ms), draft.now_ms)
        return Outcome(outcome="repeat", reason=reason, target=draft.target)
    if draft.baseline is not None and _wins(draft, draft.baseline, change):
        reason = "another controller's newer configuration is in force: "
        reason += shorten(draft.baseline.to_json())
        return Outcome(outcome="refused", reason=reason, target=draft.target)
    draft.baseline = mine
    draft.configured = Configured(change.since_ms, draft.now_ms)
    draft.entries.append(Entry(event="baseline", reason=reason, baseline=mine))
    return Outcome(outcome="granted", reason=reason, target=draft.target, hz=mine.default)


def _wins(draft: Draft, other: Baseline, change: SetBaseline) -> bool:
    """Whether `other`, which is in force, is newer, and its controller there.

    All have to agree which one is newer, so of two that came at once their content decides.
    """
    theirs, mine = draft.configured.since_ms, change.since_ms
    order = (theirs, dump(other.to_json())) > (mine, dump(change.baseline.to_json()))
    return order and draft.now_ms - draft.configured.seen_ms < GONE_MS
