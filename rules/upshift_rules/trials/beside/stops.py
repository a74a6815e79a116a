"""Which boosts of a trial their `stop_if` ends, as a controller would."""

from __future__ import annotations

from ...guards.answer import counted
from ...leases.changes import Stop
from ...leases.state import TargetState
from ...model import RuleSet
from .told import Answers

#: How often it is asked, unless upshift.yaml sets `prometheus.stop_if_every`.
EVERY_MS = 15_000


class Stops:
    def __init__(self, rules: RuleSet, answers: Answers) -> None:
        self._names = {rule.key: rule.name for rule in rules.rules}
        self._answers = answers
        self._watched: dict[str, TargetState] = {}  # by target; those with some
        self._counts: dict[str, int] = {}
        self._due = False

    def notice(self, state: TargetState) -> None:
        """Take note of a state that is new."""
        if state.stops:
            self._watched[state.target] = state
        else:
            self._watched.pop(state.target, None)

    def due(self, now_ms: int) -> int | None:
        """Return when it is to be asked, where that is news."""
        if self._due or not self._watched:
            return None
        self._due = True
        return now_ms + EVERY_MS

    def ask(self, now_ms: int) -> dict[str, list[Stop]]:
        """Return what ends now, by target."""
        self._due = False
        asked = {
            lease.id: (
                target,
                self._answers.of(self._rule(lease.cause.rule), "stop_if", target, now_ms),
            )
            for target, state in self._watched.items()
            for lease in state.leases
            if lease.id in state.stops
        }
        true = {lease: answer and answer.true for lease, (_, answer) in asked.items()}
        self._counts, over = counted(self._counts, true)
        ends: dict[str, list[Stop]] = {}
        for lease in over:
            target, answer = asked[lease]
            said = answer.said if answer else ""
            ends.setdefault(target, []).append(Stop(lease, f"{said}, twice in a row"))
        return ends

    def _rule(self, key: str | None) -> str:
        return self._names.get(key or "", "")
