"""What operators ask for: a lease of their own, or an end before its time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

from upshift_agent.contract import (
    ALL,
    CPU,
    ENVIRONMENT,
    MAX_LEASE_MS,
    PROFILES,
    Cause,
    Kind,
    Where,
    check_target,
    is_plain,
    one_line,
    shorten,
    shown,
)
from upshift_agent.contract.errors import WireError
from upshift_rules.durations import format_duration
from upshift_rules.guards.query import Unfilled, fill, parse_query
from upshift_rules.leases.changes import Change, Override, Release
from upshift_rules.model import Outcome, RuleSet

from ..errors import Refused
from .committer import Committer
from .guarding.only_if import PATIENCE_S
from .ports import BATCH, Questions, States

#: Who asked, and why: characters of each text that is kept.
MAX_SAID = 500


def asked_by(name: str, *, via: str = "", reason: str = "") -> Cause:
    """Return why an operator's lease is there, of texts that may hold anything."""
    return Cause.of_operator(
        one_line(name, MAX_SAID) or "anonymous",
        via=via,
        reason=one_line(reason, MAX_SAID),
    )


class Overrides:
    """Turns what operators ask for into changes of leases, and says what became of each.

    rules: returns those in force, whose highest frequency binds operators too.
    """

    def __init__(
        self,
        states: States,
        committer: Committer,
        rules: Callable[[], RuleSet],
        questions: Questions | None = None,
    ) -> None:
        self._questions = questions
        self._states = states
        self._committer = committer
        self._rules = rules

    async def grant(
        self,
        target: str,
        kind: Kind,
        hz: int,
        duration_ms: int,
        *,
        profile: str | None = None,
        where: Where,
        cause: Cause,
        stop_if: str | None = None,
    ) -> Outcome:
        """Grant an operator's lease. Raise `Refused` when it is out of bounds.

        hz: in the profile's unit. profile: `ALL` of a cap only; None: as `Override` says. stop_if:
        PromQL with placeholders, of a boost only.
        """
        try:
            check_target(target)
        except WireError as error:
            raise Refused(str(error), slug="target", status=422) from error
        known = [*PROFILES, *([ALL] if kind == "cap" else [])]
        if profile is not None and profile not in known:
            raise Refused(
                f"the profile of a {kind} must be {' or '.join(known)}, got {shorten(profile)}",
                slug="profile",
                status=422,
            )
        lowest, highest = (1 if kind == "boost" else 0), self._rules().max_frequency_hz
        if not lowest <= hz <= highest:
            raise Refused(
                f"a {kind} must be {lowest}–{shown(profile or CPU, highest)} here, got {hz}",
                slug="frequency",
                status=422,
            )
        if not 1000 <= duration_ms <= MAX_LEASE_MS:
            raise Refused(
                f"a lease must last 1s–{format_duration(MAX_LEASE_MS)}, "
                f"got {format_duration(duration_ms)}",
                slug="duration",
                status=422,
            )
        for text in _texts(where):
            if not is_plain(text):
                raise Refused(
                    f"where must be made of single lines of valid Unicode, got {shorten(text)}",
                    slug="where",
                    status=422,
                )
        change = Override(
            id=f"{kind}/{secrets.token_hex(4)}",
            kind=kind,
            profile=profile,
            hz=hz,
            duration_ms=duration_ms,
            where=where,
            cause=cause,
            stop_if=await self._stop_if(stop_if, target, kind, where) if stop_if else "",
        )
        return await self._one(target, change)

    async def _stop_if(self, text: str, target: str, kind: Kind, where: Where) -> str:
        """Return a guard, filled in. Raise `Refused` for one that cannot be asked."""
        kind_of_target, _, name = target.partition("/")
        environments = where.get(ENVIRONMENT, ())
        one = (environments,) if isinstance(environments, str) else environments
        said = {
            "service": name if kind_of_target == "service" else None,
            "environment": one[0] if len(one) == 1 else None,
        }
        if kind != "boost":
            raise Refused(
                f"stop_if is for boosts, and this is a {kind}", slug="stop_if", status=422
            )
        if self._questions is None or not self._questions.is_set:
            why = "stop_if needs a controller whose upshift.yaml sets `prometheus:`"
            raise Refused(why, slug="stop_if", status=422)
        try:
            query = fill(parse_query(text), said.get)
        except Unfilled as error:
            raise Refused(f"stop_if: {error}", slug="stop_if", status=422) from error
        except ValueError as error:
            raise Refused(f"stop_if {error}", slug="stop_if", status=422) from error
        answer = (await self._questions.ask([query], within_s=PATIENCE_S))[query]
        if answer.bad:
            raise Refused(f"stop_if {answer.said}", slug="stop_if", status=422)
        return query

    async def release(self, lease: str, *, cause: Cause) -> Outcome:
        """End the lease with this id, whichever target has it."""
        names = await self._states.leased_targets()
        for start in range(0, len(names), BATCH):
            snapshot = await self._states.read(names[start : start + BATCH])
            for target, state in snapshot.states.items():
                if not any(held.id == lease for held in state.leases):
                    continue
                return await self._one(target, Release(lease=lease, cause=cause))
        reason = f"no lease is called {lease}; it may have ended by itself"
        return Outcome(outcome="no_lease", reason=reason, lease=lease)

    async def release_all(self, target: str, *, cause: Cause) -> Outcome:
        """End every lease of a target."""
        return await self._one(target, Release(lease=None, cause=cause))

    async def _one(self, target: str, change: Change) -> Outcome:
        return (await self._committer.apply({target: [change]}, "operators"))[target][0]


def _texts(where: Where) -> Iterator[str]:
    for name, wanted in where.items():
        yield name
        yield from (wanted,) if isinstance(wanted, str) else wanted
