"""What a replay comes to, in sentences for whoever has read nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from . import show, text

if TYPE_CHECKING:
    from upshift_rules.trials.replay import Replayed


#: What becomes of alerts, as `replay.FATES` has it, in words.
FATES = {
    "boosted": "that boost",
    "refused": "refused by a limit",
    "cooldown": "within a cooldown",
    "no_target": "that name no target",
    "no_rule": "that no rule is for",
    "invalid": "that cannot be read",
    "other": "that change nothing",
}
#: Names of alerts that are shown of those without a rule.
_NAMES = 5


def summary(found: Sequence[Replayed], headings: Sequence[str], agents: int) -> Iterator[str]:
    """Return the paragraphs. agents: how many live."""
    yield (
        "An alert that a rule is for gets a boost: the agents that it is about sample faster for a "
        "while, and then go back to their baseline. Nothing was raised now; this is what would "
        "have been."
    )
    for it, heading in zip(found, headings, strict=True):
        yield " ".join(_sentences(it, heading, agents))


def _sentences(it: Replayed, heading: str, agents: int) -> Iterator[str]:
    alerts, boosted = sum(it.fates.values()), it.fates["boosted"]
    yield (
        f"{heading}: {boosted:,} of {alerts:,} alerts have a part in {it.boosts:,} "
        f"boost{'' if it.boosts == 1 else 's'}."
    )
    share = it.boosted_ms / max(1, agents * (it.end_ms - it.start_ms))
    yield (
        f"An agent is above its baseline {share:.1%} of the time, and at most {it.most:,} of "
        f"{agents:,} are at once."
    )
    rest, all_of_it = it.resting.cpu_core_s, it.bill.cpu_core_s
    if rest:
        much = all_of_it / rest - 1
        yield f"Profiling takes {abs(much):.1%} {'more' if much >= 0 else 'less'} CPU than at rest."
    if it.refused:
        yield f"Limits refuse {show.counted(it.refused, 'boost')}."


def unwanted(it: Replayed) -> Iterator[str]:
    """Return who the alerts were that no rule is for, and those that name no target."""
    for fate, names in it.names.items():
        if names:
            most = names.most_common(_NAMES)
            several = ", ".join(f"{text.plain(name) or '(no name)'} {n:,}" for name, n in most)
            more = f" and {len(names) - _NAMES} more names" if len(names) > _NAMES else ""
            yield f"Alerts {FATES[fate]}: {several}{more}."
