"""The view Rules: what each asks for, and what it did lately. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from upshift_rules.durations import format_duration
from upshift_rules.model import Rule, RuleSet

from ..storage.history import HistoryLine

#: Entries of the history that are looked at.
ENTRIES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """asks: in words. did: events of the newest entries, counted. last_ms: of its last boost."""

    name: str
    of: str
    profile: str
    hz: int
    asks: str
    did: Mapping[str, int]
    last_ms: int | None


def rules(rule_set: RuleSet, lines: Sequence[HistoryLine]) -> list[RuleRow]:
    """lines: newest first."""
    did: dict[tuple[str, str], Counter[str]] = {}
    last: dict[tuple[str, str], int] = {}
    for line in lines:
        lease = line.entry.get("lease")
        if (key := _rule_of(lease)) is None:
            continue
        did.setdefault(key, Counter())[str(line.entry["event"])] += 1
        if line.entry["event"] == "granted":
            last.setdefault(key, line.at_ms)
    kinds = (("alerts", rule_set.rules), ("rollouts", rule_set.rollouts))
    return [_row(it, of, did, last) for of, several in kinds for it in several]


def _row(
    rule: Rule,
    of: str,
    did: Mapping[tuple[str, str], Counter[str]],
    last: Mapping[tuple[str, str], int],
) -> RuleRow:
    key = rule.name, rule.profile
    return RuleRow(
        name=rule.name,
        of=of,
        profile=rule.profile,
        hz=rule.frequency_hz,
        asks=", ".join(_asks(rule)),
        did=dict(did.get(key, Counter())),
        last_ms=last.get(key),
    )


def _asks(rule: Rule) -> Iterable[str]:
    yield f"for {format_duration(rule.duration_ms)}"
    if rule.max_duration_ms > rule.duration_ms:
        yield f"at most {format_duration(rule.max_duration_ms)} at a stretch"
    if rule.while_firing:
        yield "while it fires"
    if rule.on_resolved == "revert":
        yield "down when it resolves"
    if rule.fraction < 1:
        yield f"{100 * rule.fraction:g} % of the agents"
    if rule.cooldown_ms:
        yield f"then a pause of {format_duration(rule.cooldown_ms)}"


def _rule_of(lease: Any) -> tuple[str, str] | None:
    """Whose lease it is: rule and profile."""
    because = lease.get("because") if isinstance(lease, dict) else None
    rule = because.get("rule") if isinstance(because, dict) else None
    return (rule, str(lease.get("profile", "cpu"))) if isinstance(rule, str) else None
