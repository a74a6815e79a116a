"""What a trial is told besides alerts: schedules' windows as they begin, what Prometheus would
answer to guards, and where both come from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, NamedTuple

from upshift_agent.contract import one_line

from ...guards.answer import Answer
from ...leases.changes import Scheduled
from ...model import RuleSet, Schedule, Trigger

Guard = Literal["only_if", "stop_if"]


class Planned(NamedTuple):
    """What a schedule asks of a target when a window begins, or is open already. Unix ms.

    again: it was refused before.
    """

    at_ms: int
    target: str
    changes: Sequence[Scheduled]
    again: bool = False


class Reporting(NamedTuple):
    """Agents of a version report, from a moment until another; None: to the end. Unix ms.

    attributes: those that name the version.
    """

    attributes: dict[str, str]
    since_ms: int
    until_ms: int | None


class Sources(NamedTuple):
    """What else than alerts a controller watches, in virtual time.

    planned: schedules and a span → what they ask for in it, in order of time. rollouts: versions
    that report from a moment on → the rollouts that a controller would tell, in order of time.
    """

    planned: Callable[[Sequence[Schedule], int, int], Iterable[Planned]] = lambda *_: ()
    rollouts: Callable[[Sequence[Reporting], int, int], Sequence[Trigger]] = lambda *_: ()


NO_SOURCES = Sources()


class Answered(NamedTuple):
    """What a guard of a rule says from a moment on. target: about whom; None: about everybody."""

    rule: str
    guard: Guard
    at_ms: int
    answer: Answer
    target: str | None = None


class Answers:
    """What Prometheus would say to guards, and when."""

    def __init__(self, several: Iterable[Answered] = ()) -> None:
        self._several = sorted(several, key=lambda it: it.at_ms)
        self.known = frozenset((it.rule, it.guard) for it in self._several)

    def of(self, rule: str, guard: Guard, target: str, now_ms: int) -> Answer | None:
        """Return the newest answer about a target; None before the first one."""
        found = None
        for it in self._several:
            if it.at_ms <= now_ms and (it.rule, it.guard) == (rule, guard):
                found = it.answer if it.target in (None, target) else found
        return found


def not_asked(rules: RuleSet, known: Collection[tuple[str, Guard]] = ()) -> str:
    """Return in words whose guards a trial does not ask; empty where no rule has some.

    known: rules and guards of which it is said what is answered.
    """
    names = dict.fromkeys(
        it.name
        for it in rules.rules
        if (it.only_if and (it.name, "only_if") not in known)
        or (it.stop_if and (it.name, "stop_if") not in known)
    )
    if not names:
        return ""
    whose = ", ".join(one_line(name, 100) for name in names)
    return f"guards are not asked: only_if is taken to be true, stop_if to be false, of {whose}"
