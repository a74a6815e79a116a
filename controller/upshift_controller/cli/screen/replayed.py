"""What `upshift replay` shows: figures side by side, rules, and a time line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from upshift_rules.durations import format_duration

from . import show as shown
from . import text
from .strip import strips
from .summary import FATES, summary, unwanted

if TYPE_CHECKING:
    from upshift_rules.trials.fleet import Member
    from upshift_rules.trials.replay import ByRule, Replayed

    from ..past import Past

#: What a row begins with that is a part of the one above.
_IN = "  "
_BEYOND = "of it beyond baselines"
_DAY_MS = 24 * 60 * 60 * 1000


def show(
    found: Sequence[Replayed],
    names: Sequence[str],
    past: Past,
    members: Sequence[Member],
    *,
    assumed: bool,
    uncounted: Sequence[str],
) -> None:
    """Print what became of the past under each of the rules, today's first. uncounted: profiles
    that are raised and not costed."""
    out = shown.console()
    for line in _heading(found[-1], past, members, assumed=assumed):
        out.print(line)
    for heading, name in zip(_headings(found), names, strict=True):
        out.print(f"{heading + ':':<7}{text.plain(name)}", soft_wrap=True)
    out.print()
    for sentences in summary(found, _headings(found), sum(it.count for it in members)):
        out.print(sentences)
    out.print()
    out.print(_figures(found, members))
    for heading, of in (("RULE", _BY_RULE), ("SCHEDULE", _BY_SCHEDULE)):
        if any(map(of, found)):
            out.print()
            out.print(_rules(found, heading, of))
    out.print()
    for line in strips(found, _headings(found), members, min(out.width, 100)):
        out.print(line)
    for said in (*unwanted(found[-1]), _costed(uncounted)):
        out.print(said, style="dim")
    if past.faults:
        said = f"{shown.counted(len(past.faults), 'line')} left out; the first: {past.faults[0]}"
        out.print(text.plain(said), style="yellow", soft_wrap=True)


def as_json(
    found: Sequence[Replayed],
    names: Sequence[str],
    past: Past,
    members: Sequence[Member],
    *,
    assumed: bool,
) -> dict[str, Any]:
    """Return the figures for programs. Times in Unix ms, durations in ms."""
    return {
        "source": past.source,
        "start_ms": found[-1].start_ms,
        "end_ms": found[-1].end_ms,
        "notices": len(past.notices),
        "rollouts": found[-1].rollouts,
        "agents": sum(it.count for it in members),
        "agents_assumed": assumed,
        "left_out": list(past.faults),
        "rules": [
            {
                "from": name,
                "alerts": dict(it.fates),
                "boosts": it.boosts,
                "refused": it.refused,
                "lasted_ms": it.lasted_ms,
                "boosted_agent_ms": it.boosted_ms,
                "most_agents_boosted": it.most,
                "mean_hz": it.hz_s / _agent_s(it, members),
                "cost": asdict(it.bill),
                "cost_at_rest": asdict(it.resting),
                "by_rule": {rule: asdict(one) for rule, one in it.by_rule.items()},
                "by_schedule": {name: asdict(one) for name, one in it.by_schedule.items()},
            }
            for name, it in zip(names, found, strict=True)
        ],
    }


def _headings(found: Sequence[Replayed]) -> list[str]:
    return ["TODAY", "NEW"][: len(found)]


def _heading(
    it: Replayed, past: Past, members: Sequence[Member], *, assumed: bool
) -> Iterator[Text]:
    firings = sum(it.fates.values())
    what = f"{firings:,} alert{'' if firings == 1 else 's'}"
    what += f" and {shown.counted(it.rollouts, 'rollout')}" if it.rollouts else ""
    first, last = (text.clock(at_ms, day=True) for at_ms in (it.start_ms, it.end_ms))
    length = text.span(it.end_ms - it.start_ms)
    yield Text(f"{what}, {first} to {last} {text.zone()} ({length})", "bold")
    yield Text(f"told in {len(past.notices):,} notices, from {past.source}")
    count = f"{sum(member.count for member in members):,} agents"
    each = min((member.count for member in members), default=1)
    if assumed:
        yield Text(
            f"{count} assumed: --each {max(1, each)} for each service and node that alerts are "
            "about, in each environment, namespace and cluster that they name; "
            "--agents FILE says who lives"
        )
    else:
        yield Text(count)


def _agent_s(it: Replayed, members: Sequence[Member]) -> float:
    return max(1e-9, sum(each.count for each in members) * (it.end_ms - it.start_ms) / 1000)


def _figures(found: Sequence[Replayed], members: Sequence[Member]) -> Table:
    columns = [*_headings(found), "CHANGE"] if len(found) > 1 else _headings(found)
    grid = shown.table("", *(f">{name}" for name in columns))

    def row(name: str, value: Callable[[Replayed], float], form: Callable[[float], str]) -> None:
        values = [value(it) for it in found]
        change = []
        if len(values) == 2:
            more = values[1] - values[0]
            said = form(abs(more))
            same = said == form(0)
            change = [Text("=", "dim") if same else Text(("+" if more > 0 else "−") + said, "bold")]
        grid.add_row(name, *map(form, values), *change)

    for fate, words in FATES.items():
        if fate == "boosted" or any(it.fates[fate] for it in found):
            lead = "alerts " if fate == "boosted" else _IN
            row(lead + words, _fated(fate), _count)
    row("boosts by rules", lambda it: it.boosts, _count)
    row(_IN + "how long, all together", lambda it: it.lasted_ms, _span)
    row("agents above baseline, at most", lambda it: it.most, _count)
    row(_IN + "how long, all together", lambda it: it.boosted_ms, _span)
    row("mean frequency of an agent", lambda it: it.hz_s / _agent_s(it, members), _hz)
    for name, figure, form in (
        ("CPU for profiling", "cpu_core_s", _core_hours),
        ("profiles sent", "sent_mb", _megabytes),
        ("profiles stored", "stored_gb", _gigabytes),
    ):
        row(name, _billed(figure), form)
        row(_IN + _BEYOND, _beyond(figure), form)
    return grid


def _fated(fate: str) -> Callable[[Replayed], float]:
    return lambda it: it.fates[fate]


def _billed(figure: str) -> Callable[[Replayed], float]:
    return lambda it: float(getattr(it.bill, figure))


def _beyond(figure: str) -> Callable[[Replayed], float]:
    """What it is more than at rest."""
    return lambda it: float(getattr(it.bill, figure) - getattr(it.resting, figure))


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _span(ms: float) -> str:
    """A duration to three figures or so: `4m12s`, `41h20m`, `12d4h`."""
    unit = 1000 if ms < 3_600_000 else 60_000 if ms < _DAY_MS else 3_600_000
    return format_duration(int(ms) // unit * unit)


def _hz(value: float) -> str:
    return f"{value:.2f} Hz"


def _core_hours(seconds: float) -> str:
    return f"{_figure(seconds / 3600)} core h"


def _megabytes(value: float) -> str:
    return _gigabytes(value / 1000)


def _gigabytes(value: float) -> str:
    if abs(value) >= 1000:
        return f"{_figure(value / 1000)} TB"
    return f"{_figure(value)} GB" if abs(value) >= 1 or not value else f"{value * 1000:,.1f} MB"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


_BY_RULE, _BY_SCHEDULE = attrgetter("by_rule"), attrgetter("by_schedule")


def _rules(
    found: Sequence[Replayed], heading: str, of: Callable[[Replayed], Mapping[str, ByRule]]
) -> Table:
    """What each rule, or schedule, did, and before it what today's of that name did where that
    differs."""
    leases = ">BOOSTS" if heading == "RULE" else ">LEASES"
    grid = shown.table(heading, leases, ">RENEWED", ">REFUSED", ">HOW LONG", ">AGENTS")
    new, today = of(found[-1]), of(found[0])
    for name in dict.fromkeys([*new, *today]):
        one, former = new.get(name), today.get(name)
        cells = [
            _cell(*("–" if it is None else form(getattr(it, field)) for it in (one, former)))
            for field, form in (
                ("boosts", _count),
                ("renewed", _count),
                ("refused", _count),
                ("lasted_ms", _span),
                ("agents", _count),
            )
        ]
        grid.add_row(text.plain(name), *cells)
    return grid


def _cell(new: str, former: str) -> Text:
    said = Text(new)
    return said if former == new else Text.assemble((f"{former} → ", "dim"), said)


def _costed(uncounted: Sequence[str]) -> str:
    beyond = f"; not counted: {', '.join(uncounted)}" if uncounted else ""
    return f"Costs are those of `upshift cost`, as if each agent had a node, of cpu alone{beyond}."
