"""The newest plan of each target that is followed. Pure: messages and moments come in.

A lease runs to its end or until somebody ends it, also when Redis has lost it meanwhile (emptied,
replaced by an older snapshot, failed over): what a new plan cannot speak for, it does not end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..contract import MAX_LEASE_MS, MAX_PUSH_AGE_MS, SET_BACK_MS, Lease, Plan, decode_plan, shorten
from ..contract.errors import SignatureRefused, WireError


class Plans:
    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = tuple(secrets)
        self._plans: dict[str, Plan] = {}
        self._lost: dict[str, tuple[Lease, ...]] = {}
        self._refused: dict[str, str] = {}

    def take(
        self,
        target: str,
        message: bytes,
        *,
        pushed_at_ms: int | None = None,
        now_ms: int | None = None,
    ) -> Plan | None:
        """Take a message that came for `target`. Return its plan, or None if it is no news.

        pushed_at_ms: Redis time when it was pushed to us; None for a snapshot's.
        now_ms: Redis time, where it is known.
        Raise `WireError` when it cannot be used: `skipped` says so until a good one comes.
        """
        try:
            plan = self._decode(target, message, pushed_at_ms)
        except WireError as error:
            self._refused[target] = f"plan of {target}: {error}"
            raise
        self._refused.pop(target, None)
        known = self._plans.get(target)
        if known is not None and plan.rev <= known.rev and not _is_lost(known, plan, now_ms):
            return None
        lost = () if known is None else self._lost_leases(plan, known)
        self._lost[target] = lost
        self._plans[target] = replace(plan, leases=plan.leases + lost) if lost else plan
        return plan

    def forget(self, target: str) -> None:
        """Nobody follows it any more, so what is known of it grows old."""
        for known in (self._plans, self._lost, self._refused):
            known.pop(target, None)

    def bound(self, now_ms: int) -> set[str]:
        """Let leases that begin in the future, since Redis's clock was set back, run for their
        length from now. Else they would outlast it by as much as the clock was moved.

        Return the targets whose leases were changed."""
        changed = set()
        for target, plan in self._plans.items():
            if any(lease.since_ms > now_ms + SET_BACK_MS for lease in plan.leases):
                leases = tuple(_from_now(lease, now_ms) for lease in plan.leases)
                self._plans[target] = replace(plan, leases=leases)
                changed.add(target)
        return changed

    def _decode(self, target: str, message: bytes, pushed_at_ms: int | None) -> Plan:
        plan = decode_plan(message, self._secrets)
        if plan.target != target:
            raise WireError(f"it is addressed to {shorten(plan.target)}")
        if self._secrets and pushed_at_ms is not None:
            age_ms = pushed_at_ms - plan.now_ms
            if abs(age_ms) > MAX_PUSH_AGE_MS:
                raise SignatureRefused(
                    f"pushed {age_ms / 1000:.0f} s after it was signed, "
                    f"at most {MAX_PUSH_AGE_MS // 1000} s are believed"
                )
        return plan

    def known(self, targets: Iterable[str]) -> tuple[Plan, ...]:
        """The newest plans of `targets`, of those that have one."""
        return tuple([self._plans[target] for target in targets if target in self._plans])

    def revs(self, targets: Iterable[str]) -> dict[str, int]:
        return {target: self._plans[target].rev for target in targets if target in self._plans}

    def refused(self, target: str) -> str | None:
        """Why the last message for `target` could not be used; None if it could."""
        return self._refused.get(target)

    def skipped(self, targets: Iterable[str]) -> tuple[str, ...]:
        """What of `targets` cannot be followed here and why, one line each."""
        leases = [line for plan in self.known(targets) for line in plan.skipped]
        refused = [self._refused[target] for target in targets if target in self._refused]
        return (*leases, *refused)

    def _lost_leases(self, plan: Plan, known: Plan) -> tuple[Lease, ...]:
        """Leases of `known` that Redis has lost: whoever wrote `plan` never saw them."""
        if plan.after is None:  # from a controller that does not say
            return ()
        after_us = plan.after  # a revision is the time of its commit, or a little more
        listed = {lease.id for lease in plan.leases}
        lost_before = {lease.id for lease in self._lost.get(plan.target, ())}
        return tuple(
            lease
            for lease in known.leases
            if lease.id not in listed
            and lease.expires_at_ms > plan.now_ms
            and (lease.id in lost_before or lease.since_ms * 1000 > after_us)
        )


def _is_lost(known: Plan, plan: Plan, now_ms: int | None) -> bool:
    """Whether the revision of `known` is of a time that never came, and `plan` of one that did.

    Redis's clock may have been far ahead, or its contents spoilt, and all of it lost since. No
    later plan would ever be news.
    """
    if now_ms is None:
        return False
    return plan.rev <= (now_ms + MAX_LEASE_MS) * 1000 < known.rev


def _from_now(lease: Lease, now_ms: int) -> Lease:
    if lease.since_ms <= now_ms + SET_BACK_MS:
        return lease
    return replace(
        lease, since_ms=now_ms, expires_at_ms=now_ms + lease.expires_at_ms - lease.since_ms
    )
