"""What a trigger does to the boosts of a target: grant, renew, or nothing, always with its reason.

Triggers are called alerts below. A rollout is one that is told once, and is over then: each version
has a case of its own, and all of them share their rule's cooldown (`draft.cooling_key`).

Rules for editors. Each answer in `tests/README.md` about an alert is a branch here and a test in
`tests/rules/test_boosts.py`; change both or neither. The theory:

A **case** is one rule, which is for one profile, in one scope of one target. It has at most one
live boost, and what belongs to the boost is kept with it: the lease (its frequency and filter as
granted, whatever the rule says by now) and when it started. `max_duration` counts from that start;
renewals, and alerts that take it up again after it ran out (`while_firing`), do not move it. A
release or a revert ends it for good.

An **episode** is one firing of one alert, from its `startsAt` to its resolution. Only the newest
one of an alert is known, and it is in one of three states:

    (none) ──fires──▶ firing ──released──▶ released
                        │                      │
                        ├──────resolves────────┴──▶ resolved        any ──fires anew──▶ firing
                        └─is listed no more──▶ absent ──is listed, or told of, again──▶ firing

**Absent** is one that its source lists no more. That ends a boost as a resolution does, but it
proves little (Alertmanager forgets all when it restarts), so an alert that comes back goes on with
what is `left` of its boost. A **muted** alert is listed as silenced or inhibited: it starts
nothing; what it has started runs on, and is renewed.

`startsAt` does not name an episode, since it moves: Alertmanager takes over the earlier one of two
Prometheis, forgets it when it restarts, and two Alertmanagers may differ. So an episode is a span
of time, from `began_ms` to `until_ms`, and a notice belongs to it when the start that it names is
the same, or lies not after the end of the span: what an alert that is known to have fired then says
to have begun before is no other firing. The span ends where the alert resolved; as long as no
resolution has come, where we heard last that it fires. What begins later is a new episode, whether
or not the word of the former's end was lost. A resolution is about the known episode unless it was
before this one began; then it is late, and changes nothing.

What an alert may do, by the state of its episode: a new one gets a boost, or joins the one that
runs and lets it run on, and it alone meets the cooldown; one that fires renews the boost
(`while_firing`) or is a repeat; one that was released or has resolved is a repeat.

Orders that come to the same: alerts of one step, in any order, because it looks at those that fire
first, of these at those that it knows first (`in_turn`); repeats, however many; a late notice after
the one that made it late. With `revert`, an alert that resolved before its firing was delivered has
resolved. Not the same: [A resolves] before [B fires] in two steps ends A's boost.

What is remembered is bounded: see `memory`.

Long, because the theory is to stand whole beside what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from upshift_agent.contract import Cause, Lease, shown_all

from ..durations import format_duration
from ..model import Claim, Outcome, OutcomeName, Refusal, Trigger
from .draft import Draft, cooling_key, digest, scope_key
from .memory import MAX_EPISODES, MEMORY_MS, MOVES_MS, SKEW_MS
from .state import (
    ABSENT,
    NOTHING_LEFT,
    RELEASED,
    RESOLVED,
    Case,
    Episode,
    Forgotten,
    Left,
    NotedRefusal,
)

#: How far behind `Episode.until_ms` may be: not every repeat is written.
HEARD_EVERY_MS = 5 * 60 * 1000


def in_turn(draft: Draft, claims: Sequence[Claim]) -> list[int]:
    """The positions of `claims`, in the order in which they are looked at."""

    def turn(at: int) -> tuple[object, ...]:
        rule, trigger, _, where, *_ = claims[at]
        scope = scope_key(rule, where)
        case = draft.cases.get(scope)
        new = case is None or trigger.identity not in case.episodes
        # "firing" comes before "resolved".
        start = trigger.starts_at_ms
        return trigger.status, new, start, trigger.identity, scope, trigger.name, trigger.via

    return sorted(range(len(claims)), key=turn)


def fired(draft: Draft, claim: Claim) -> Outcome:
    """Grant or renew the boost of an alert that fires, or say why not."""
    rule, trigger = claim.rule, claim.trigger
    scope = scope_key(rule, claim.where)
    case = draft.case(scope)
    episode = case.episodes.get(trigger.identity)
    boost = draft.leases.get(case.lease)
    if episode is None:
        if case.forgotten.may_hold(trigger.starts_at_ms, draft.now_ms + SKEW_MS):
            return _one_of_many(draft, claim, scope, case, boost)
    elif _within(trigger.starts_at_ms, episode, draft.now_ms + SKEW_MS):
        return _again(draft, claim, scope, case, episode, boost)
    if trigger.via == "muted":
        return _outcome(claim, "muted", _MUTED)
    if boost is not None:
        draft.remember(scope, trigger.identity, _beginning(draft, trigger))
        alert = f"another alert of {rule.key} fires"
        why = alert if trigger.kind == "alert" else "it was rolled out again"
        return _extend(draft, claim, scope, boost, why)
    cooling = cooling_key(scope, rule.key, trigger.kind == "rollout", claim.where)
    if draft.now_ms < draft.case(cooling).cooling_ms:
        # No longer than the rule says by now, also where Redis's clock was set back.
        cooling_ms = min(draft.case(cooling).cooling_ms, draft.now_ms + rule.cooldown_ms)
        draft.change(cooling, cooling_ms=cooling_ms)
        if draft.now_ms < cooling_ms:
            left = format_duration(cooling_ms - draft.now_ms)
            reason = f"no new boost by {rule.key} here for another {left}"
            return _outcome(claim, "cooldown", reason, until_ms=cooling_ms)
    name: OutcomeName = "recovered" if trigger.via == "level" else "granted"
    return _grant(draft, claim, scope, draft.now_ms, name)


def resolved(draft: Draft, claim: Claim) -> Outcome:
    """End the boost of an alert that has resolved, or say why not."""
    rule, trigger = claim.rule, claim.trigger
    scope = scope_key(rule, claim.where)
    case = draft.case(scope)
    episode = case.episodes.get(trigger.identity)
    if case.refusal is not None and case.refusal.identity == trigger.identity:
        draft.change(scope, refusal=None)
    ended_ms = min(max(trigger.starts_at_ms, trigger.ends_at_ms), draft.now_ms + SKEW_MS)
    absent = trigger.via != "notice"
    over = Episode(trigger.starts_at_ms, ended_ms, ABSENT if absent else RESOLVED)
    if episode is None:
        if (
            not absent
            and rule.on_resolved == "revert"
            and not case.forgotten.may_hold(trigger.starts_at_ms, draft.now_ms + SKEW_MS)
        ):
            draft.remember(scope, trigger.identity, over)
        return _outcome(claim, "resolved", "no boost was waiting for this")
    if max(trigger.starts_at_ms, ended_ms) < episode.began_ms:
        return _outcome(claim, "resolved", "it has fired anew since")
    if episode.ended == RESOLVED or (absent and episode.ended):
        if ended_ms > episode.until_ms and not absent:
            draft.remember(scope, trigger.identity, over)
        return _outcome(claim, "resolved", "no boost was waiting for this")
    draft.remember(scope, trigger.identity, over)
    boost = draft.leases.get(case.lease)
    if boost is None:
        return _outcome(claim, "resolved", "its boost had ended before")
    if rule.on_resolved == "keep":
        return _outcome(claim, "resolved", "the boost ends on schedule", boost)
    if firing := draft.firing(scope):
        return _outcome(claim, "resolved", f"the boost stays for {firing} more alerts", boost)
    how = "is listed no more" if absent else "resolved"
    draft.end(boost, "reverted", f"the last of its alerts {how}")
    if any(it.ended == ABSENT for it in draft.case(scope).episodes.values()):
        draft.change(scope, left=Left(case.started_ms, boost.expires_at_ms))
    return _outcome(claim, "reverted", f"the last alert of this boost {how}", boost, draft.now_ms)


def release(draft: Draft, lease: Lease, ended: str = RELEASED) -> None:
    """Note that a boost was ended early: none of the alerts that fire now brings it back."""
    scope = draft.scope_of(lease)
    if scope is None:
        return
    for identity, episode in list(draft.case(scope).episodes.items()):
        if not episode.ended:
            draft.remember(scope, identity, episode._replace(ended=ended))


def _within(starts_at_ms: int, episode: Episode, newest_ms: int) -> bool:
    """Whether what began then belongs to this episode, which lies before `newest_ms`."""
    until_ms = min(episode.until_ms, newest_ms)
    return starts_at_ms == episode.began_ms or starts_at_ms <= until_ms


def _again(
    draft: Draft, claim: Claim, scope: str, case: Case, episode: Episode, boost: Lease | None
) -> Outcome:
    """Answer an alert whose episode is known."""
    began_ms = max(episode.began_ms, claim.trigger.starts_at_ms)
    # A late notice speaks of the newest episode: a boost that it takes up again is that one's.
    claim = claim._replace(trigger=claim.trigger._replace(starts_at_ms=began_ms))
    if episode.ended == ABSENT:
        return _back(draft, claim, scope, case, boost)
    unheard = abs(draft.now_ms - episode.until_ms) >= HEARD_EVERY_MS
    if episode.ended != RESOLVED and (unheard or began_ms > episode.began_ms):
        heard = episode._replace(began_ms=began_ms, until_ms=draft.now_ms)
        draft.remember(scope, claim.trigger.identity, heard)
    if episode.ended:
        return _outcome(claim, "repeat", f"this episode was {episode.ended} before", boost)
    return _still(draft, claim, scope, case, boost, _REPEATED)


def _back(draft: Draft, claim: Claim, scope: str, case: Case, boost: Lease | None) -> Outcome:
    """Answer an alert that was absent, and fires on: it has what is left of its boost."""
    trigger, left = claim.trigger, case.left
    if boost is None and trigger.via == "muted":
        return _outcome(claim, "muted", _MUTED)
    if boost is None and left.until_ms > draft.now_ms and not claim.rule.while_firing:
        started_ms = min(left.started_ms, draft.now_ms)
        return _grant(draft, claim, scope, started_ms, until_ms=left.until_ms)
    draft.remember(scope, trigger.identity, Episode(trigger.starts_at_ms, draft.now_ms))
    if boost is None and any(left):  # as if it had run out
        draft.change(scope, started_ms=left.started_ms, left=NOTHING_LEFT)
        case = draft.case(scope)
    return _still(draft, claim, scope, case, boost, _REPEATED)


def _one_of_many(
    draft: Draft, claim: Claim, scope: str, case: Case, boost: Lease | None
) -> Outcome:
    """Answer an alert that may have been forgotten: it counts as known, and as firing."""
    until_ms = max(
        case.forgotten.until_ms, min(claim.trigger.starts_at_ms + MOVES_MS, draft.now_ms)
    )
    unheard = abs(draft.now_ms - case.forgotten.heard_ms) >= HEARD_EVERY_MS
    if unheard or until_ms > case.forgotten.until_ms:
        draft.change(scope, forgotten=Forgotten(until_ms, draft.now_ms))
    if boost is not None and not claim.rule.while_firing:
        return _joined(draft, claim, boost, "; " + _MANY)
    return _still(draft, claim, scope, case, boost, _MANY)


_REPEATED = "one boost per firing episode, and it had one"
_MUTED = "it is silenced or inhibited, so it starts no boost"
_UNTOLD = "; Alertmanager lists it, and had not told of it"
_REST = "; it is listed again, and has what was left"
_MANY = f"more than {MAX_EPISODES} alerts fire here, so it is not told from those that had a boost"


def _still(
    draft: Draft, claim: Claim, scope: str, case: Case, boost: Lease | None, why: str
) -> Outcome:
    """Answer a known alert that still fires."""
    rule = claim.rule
    if not rule.while_firing:
        return _outcome(claim, "repeat", why, boost)
    if boost is not None:
        # Lists are read often. Agents hear of a renewal, so each is for a third of the duration.
        left_ms = boost.expires_at_ms - draft.now_ms
        if claim.trigger.via != "notice" and 3 * left_ms > 2 * rule.duration_ms:
            return _joined(draft, claim, boost)
        return _extend(draft, claim, scope, boost, "the alert still fires")
    if claim.trigger.via == "muted":
        return _outcome(claim, "muted", _MUTED)
    if not case.started_ms:
        return _outcome(claim, "repeat", why)
    started_ms = min(case.started_ms, draft.now_ms)
    if draft.now_ms >= started_ms + rule.max_duration_ms:
        return _outcome(claim, "at_max_duration", _longest(claim))
    return _grant(draft, claim, scope, started_ms)


def _grant(
    draft: Draft,
    claim: Claim,
    scope: str,
    started_ms: int,
    name: OutcomeName = "granted",
    until_ms: int | None = None,
) -> Outcome:
    """Grant a boost. started_ms: its start, earlier than now where it is taken up again. until_ms:
    when it ends at the latest."""
    rule, trigger = claim.rule, claim.trigger
    end_ms = min(draft.now_ms + rule.duration_ms, started_ms + rule.max_duration_ms)
    end_ms = end_ms if until_ms is None else min(end_ms, until_ms)
    key = f"{draft.target} {scope} {trigger.identity} {trigger.starts_at_ms} {draft.before.rev}"
    where, left_out = draft.softened(claim)
    boost = Lease(
        # By the revision: controllers that grant the same thing at once give it the same name,
        # and one that was never committed can never come back.
        id=f"{rule.key}/{digest(key, 8)}",
        kind="boost",
        profile=rule.profile,
        hz=rule.frequency_hz,
        since_ms=draft.now_ms,
        expires_at_ms=end_ms,
        where=where,
        fraction=rule.fraction,
        cause=_cause(claim),
    )
    boost = draft.aim(boost)
    if why := draft.unfit(boost):
        return _outcome(claim, "refused", why)
    guarded = ""
    if claim.guards is not None and rule.only_if is not None:
        if (answer := claim.guards.answer) is None:
            return _outcome(claim, "unasked", "only_if is to be asked first")
        guarded = f"; only_if {answer.said}"
        if answer.true is False or (answer.true is None and rule.if_unknown == "refuse"):
            unknown = "" if answer.true is False else ", and if_unknown is refuse"
            declined = Refusal("only_if", 0, 0, f"only_if {answer.said}{unknown}")
            return replace(_refuse(draft, claim, scope, boost, declined), refusal=None)
    refusal = draft.refused.get(boost.id) or draft.refused_scopes.get(scope)
    if refusal is not None:
        draft.refused_scopes[scope] = refusal
        return _refuse(draft, claim, scope, boost, refusal)
    draft.remember(scope, trigger.identity, _beginning(draft, trigger))
    draft.change(scope, lease=boost.id, started_ms=started_ms, refusal=None, left=NOTHING_LEFT)
    whom = draft.for_whom(boost) + left_out + draft.reaching_nobody(boost) + guarded
    whom += _UNTOLD if name == "recovered" else "" if until_ms is None else _REST
    if claim.guards is not None:
        whom += draft.guard(boost, claim.guards.stop_if) + claim.guards.note
    draft.put(boost, "granted", boost.reason + whom)
    _cool(draft, claim, scope, end_ms)
    length = f"{shown_all({rule.profile: boost.hz})} for {format_duration(end_ms - draft.now_ms)}"
    return _outcome(claim, name, length + whom, boost)


def _beginning(draft: Draft, trigger: Trigger) -> Episode:
    """The episode of a trigger that fires. A rollout's is over at once, and forgotten in a day."""
    over = RESOLVED if trigger.kind == "rollout" else None
    return Episode(trigger.starts_at_ms, draft.now_ms, over)


def _cause(claim: Claim) -> Cause:
    key, trigger = claim.rule.key, claim.trigger
    if trigger.kind == "rollout":
        version = trigger.labels.get("version", "")
        return Cause.of_rollout(key, version=version, fingerprint=trigger.identity)
    return Cause.of_rule(key, alertname=trigger.name, fingerprint=trigger.identity)


def _refuse(draft: Draft, claim: Claim, scope: str, boost: Lease, refusal: Refusal) -> Outcome:
    """Refuse a boost. The history gets one entry, until the alert resolves or gets a boost."""
    noted = draft.case(scope).refusal
    lasts = noted is not None and abs(draft.now_ms - noted.at_ms) < MEMORY_MS
    if noted is None or not lasts or noted.limit != refusal.limit:
        noted = NotedRefusal(claim.trigger.identity, refusal.limit, draft.now_ms)
        draft.change(scope, refusal=noted)
        draft.refuse(boost, refusal)
    return replace(_outcome(claim, "refused", refusal.reason), refusal=refusal)


def _extend(draft: Draft, claim: Claim, scope: str, boost: Lease, why: str) -> Outcome:
    """Let a live boost run on to `duration` from now, at most `max_duration` from its start."""
    rule, wanted_ms = claim.rule, draft.now_ms + claim.rule.duration_ms
    if wanted_ms <= boost.expires_at_ms:
        return _joined(draft, claim, boost)
    if boost.hz > rule.frequency_hz:
        return _joined(draft, claim, boost, "; it runs out, because the rule asks for less by now")
    started_ms = min(draft.case(scope).started_ms, boost.since_ms)
    end_ms = min(wanted_ms, started_ms + rule.max_duration_ms)
    if end_ms <= boost.expires_at_ms:
        return _outcome(claim, "at_max_duration", _longest(claim), boost)
    boost = draft.aim(replace(boost, expires_at_ms=end_ms))
    whom = draft.for_whom(boost)
    draft.put(boost, "renewed", f"{boost.reason}; {why}{whom}")
    _cool(draft, claim, scope, end_ms)
    length = format_duration(end_ms - draft.now_ms)
    return _outcome(claim, "renewed", f"{why}: {length} from now{whom}", boost)


def _joined(draft: Draft, claim: Claim, boost: Lease, more: str = "") -> Outcome:
    """The same answer for all that join one boost, as most alerts of a group do."""
    key = boost.id, boost.expires_at_ms, more
    if key not in draft.joined:
        reason = f"{boost.reason} serves this alert too{more}"
        draft.joined[key] = _outcome(claim, "joined", reason, boost)
    return draft.joined[key]


def _cool(draft: Draft, claim: Claim, scope: str, end_ms: int) -> None:
    if claim.rule.cooldown_ms:
        of_rollout = claim.trigger.kind == "rollout"
        cooling = cooling_key(scope, claim.rule.key, of_rollout, claim.where)
        draft.change(cooling, cooling_ms=end_ms + claim.rule.cooldown_ms)


def _longest(claim: Claim) -> str:
    longest = format_duration(claim.rule.max_duration_ms)
    return f"{claim.rule.key} boosts for {longest} at most (max_duration)"


def _outcome(
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
        hz=boost.hz if boost else claim.rule.frequency_hz,
        profile=claim.rule.profile,
        until_ms=boost.expires_at_ms if boost and until_ms is None else until_ms,
    )
