"""What an alert does to the boosts of a target: grant, renew, or nothing, always with its reason.

Rules for editors. Each answer of the architecture's chapter 4 is a branch here and a test in
`tests/rules/test_boosts.py`; change both or neither.
"""

from __future__ import annotations

from dataclasses import replace

from upshift_agent.wire import Lease

from .draft import EPISODE_MEMORY_MS, Draft, digest, scope_key
from .durations import format_duration
from .model import Claim, Outcome, OutcomeName, Refusal
from .state import Episode, Told


def fire(draft: Draft, claim: Claim) -> Outcome:
    """An alert fires, or is told again."""
    rule, key = claim.rule, _episode_key(claim)
    episode = draft.episodes.get(key)
    boost = _boost_of(draft, claim)
    if episode is not None:
        if episode.ended:
            return _told(claim, "repeat", f"this episode was {episode.ended} before", boost)
        if not rule.while_firing:
            return _told(claim, "repeat", "one boost per firing episode, and it had one", boost)
        if boost is None and draft.now_ms >= episode.since_ms + rule.max_duration_ms:
            return _told(claim, "at_max_duration", _longest(claim))
    if boost is not None:
        return _extend(draft, claim, boost, key, known=episode is not None)
    cooling_until = draft.cooldowns.get(scope_key(rule.name, claim.where), 0)
    if draft.now_ms < cooling_until:
        left = format_duration(cooling_until - draft.now_ms)
        reason = f"no new boost by {rule.name} here for another {left}"
        return _told(claim, "cooldown", reason, until_ms=cooling_until)
    return _grant(draft, claim, key, since_ms=episode.since_ms if episode else draft.now_ms)


def resolve(draft: Draft, claim: Claim) -> Outcome:
    """An alert has resolved."""
    key = _episode_key(claim)
    episode = draft.episodes.get(key)
    _forget_refusal(draft, claim)
    if episode is None or episode.ended:
        return _told(claim, "resolved", "no boost was waiting for this")
    draft.episodes[key] = episode._replace(ended="resolved", ended_ms=draft.now_ms)
    boost = draft.leases.get(episode.lease)
    if boost is None:
        return _told(claim, "resolved", "its boost had ended before")
    if claim.rule.on_resolved == "keep":
        return _told(claim, "resolved", "the boost ends on schedule", boost)
    firing = sum(it.lease == boost.id and not it.ended for it in draft.episodes.values())
    if firing:
        return _told(claim, "resolved", f"the boost stays for {firing} more alerts", boost)
    draft.end(boost, "reverted", "the last of its alerts resolved")
    return _told(claim, "reverted", "the last alert of this boost resolved", boost, draft.now_ms)


def _grant(draft: Draft, claim: Claim, key: str, since_ms: int) -> Outcome:
    rule, alert = claim.rule, claim.alert
    end_ms = min(draft.now_ms + rule.duration_ms, since_ms + rule.max_duration_ms)
    boost = Lease(
        # By the revision: controllers that grant the same thing at once give it the same name,
        # and one that was never committed can never come back.
        id=f"{rule.name}/{digest(f'{draft.target} {key} {draft.before.rev}', 8)}",
        kind="boost",
        hz=rule.frequency_hz,
        since_ms=draft.now_ms,
        expires_at_ms=end_ms,
        where=claim.where,
        fraction=rule.fraction,
        because={"rule": rule.name, "alertname": alert.name, "fingerprint": alert.fingerprint},
    )
    if why := draft.unfit(boost):
        return _told(claim, "refused", why)
    scope = scope_key(rule.name, claim.where)
    refusal = draft.refused.get(boost.id) or draft.refused_scopes.get(scope)
    if refusal is not None:
        draft.refused_scopes[scope] = refusal
        return _refuse(draft, claim, boost, refusal)
    draft.refusals.pop(scope, None)
    draft.episodes[key] = Episode(lease=boost.id, since_ms=since_ms)
    draft.put(boost, "granted")
    _cool(draft, claim, end_ms)
    length = format_duration(end_ms - draft.now_ms)
    return _told(claim, "granted", f"{boost.hz} Hz for {length}", boost)


def _refuse(draft: Draft, claim: Claim, boost: Lease, refusal: Refusal) -> Outcome:
    """Say no. The history hears of it once, until the alert resolves or a boost is granted."""
    scope = scope_key(claim.rule.name, claim.where)
    told = draft.refusals.get(scope)
    lasts = told is not None and draft.now_ms - told.at_ms < EPISODE_MEMORY_MS
    if told is None or not lasts or told.limit != refusal.limit:
        draft.refusals[scope] = Told(_episode_key(claim), refusal.limit, draft.now_ms)
        draft.refuse(boost, refusal)
    return replace(_told(claim, "refused", refusal.reason), refusal=refusal)


def _forget_refusal(draft: Draft, claim: Claim) -> None:
    scope = scope_key(claim.rule.name, claim.where)
    told = draft.refusals.get(scope)
    if told is not None and told.episode == _episode_key(claim):
        del draft.refusals[scope]


def _extend(draft: Draft, claim: Claim, boost: Lease, key: str, *, known: bool) -> Outcome:
    """Let a live boost run on to `duration` from now, at most `max_duration` from its start."""
    rule, wanted_ms = claim.rule, draft.now_ms + claim.rule.duration_ms
    if not known:
        draft.episodes[key] = Episode(lease=boost.id, since_ms=draft.now_ms)
    if wanted_ms <= boost.expires_at_ms:
        return _joined(draft, claim, boost)
    started = (it.since_ms for it in draft.episodes.values() if it.lease == boost.id)
    longest_ms = min(started, default=boost.since_ms) + rule.max_duration_ms
    end_ms = min(wanted_ms, longest_ms)
    if end_ms <= boost.expires_at_ms:
        return _told(claim, "at_max_duration", _longest(claim), boost)
    why = "the alert still fires" if known else f"another alert of {rule.name} fires"
    boost = replace(boost, expires_at_ms=end_ms)
    draft.put(boost, "renewed", f"{boost.reason}; {why}")
    _cool(draft, claim, end_ms)
    length = format_duration(end_ms - draft.now_ms)
    return _told(claim, "renewed", f"{why}: {length} from now", boost)


def _joined(draft: Draft, claim: Claim, boost: Lease) -> Outcome:
    """The same answer for all that join one boost, as most alerts of a group do."""
    key = boost.id, boost.expires_at_ms
    if key not in draft.joined:
        reason = f"{boost.reason} serves this alert too"
        draft.joined[key] = _told(claim, "joined", reason, boost)
    return draft.joined[key]


def _episode_key(claim: Claim) -> str:
    alert = claim.alert
    scope = scope_key(claim.rule.name, claim.where)
    return digest(f"{scope}\n{alert.fingerprint}\n{alert.starts_at_ms}", 16)


def _boost_of(draft: Draft, claim: Claim) -> Lease | None:
    """The live boost of the same rule and scope."""
    for lease in draft.leases.values():
        if lease.because.get("rule") == claim.rule.name and lease.where == claim.where:
            return lease
    return None


def _cool(draft: Draft, claim: Claim, end_ms: int) -> None:
    if claim.rule.cooldown_ms:
        key = scope_key(claim.rule.name, claim.where)
        draft.cooldowns[key] = end_ms + claim.rule.cooldown_ms


def _longest(claim: Claim) -> str:
    longest = format_duration(claim.rule.max_duration_ms)
    return f"{claim.rule.name} boosts for {longest} at most (max_duration)"


def _told(
    claim: Claim,
    outcome: OutcomeName,
    reason: str,
    boost: Lease | None = None,
    until_ms: int | None = None,
) -> Outcome:
    return Outcome(
        outcome=outcome,
        reason=reason,
        rule=claim.rule.name,
        target=claim.target,
        lease=boost.id if boost else None,
        hz=claim.rule.frequency_hz,
        until_ms=boost.expires_at_ms if boost and until_ms is None else until_ms,
    )
