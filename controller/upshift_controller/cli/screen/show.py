"""What people see: tables of targets, leases, agents and history, on any terminal or none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from upshift_agent.contract import CPU, shown_all

from . import text
from .text import Json

#: Mark and colour of each `text.condition`.
_MARKS = {
    "converged": ("✓", "green"),
    "applying": ("…", "yellow"),
    "behind": ("…", "yellow"),
    "failed": ("✗", "red"),
    "lost": ("?", "magenta"),
}
_EVENTS = {
    "granted": "green",
    "renewed": "green",
    "moved": "green",
    "expired": "yellow",
    "released": "yellow",
}
#: Wide enough for any row: what reads a pipe wants a line for each, however long.
_PIPE_COLUMNS = 4000


def console(*, stderr: bool = False) -> Console:
    """Nothing that it is given is taken for markup: names come from everywhere."""
    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = _PIPE_COLUMNS
    return made


def answer(document: Json, *, pretty: bool = True) -> None:
    """One JSON document, on one line where it is not for eyes."""
    eyes = sys.stdout.isatty()
    indent = 2 if eyes and pretty else None
    typer.echo(json.dumps(document, ensure_ascii=eyes, indent=indent))


def warnings(out: Console, rows: Iterable[str]) -> None:
    for row in rows:
        out.print(Text(row, "yellow"), soft_wrap=True)


def targets(rows: Iterable[Json], now_ms: int) -> Table:
    grid = table("TARGET", ">HZ", "CONVERGED", ">LEASES", ">LEFT")
    for row in rows:
        until = row["until_ms"]
        grid.add_row(
            row["target"],
            Text(_frequencies(row["requested_hz"]), "bold"),
            _converged(row),
            str(row["leases"] or "–"),
            text.span(until - now_ms) if until else "–",
        )
    return grid


def _frequencies(hz: Json) -> str:
    """What a target's agents run at: `19 100`, `19, wall 0 100`; off goes without saying."""
    said = [
        ([] if profile == CPU else [profile]) + [text.hz(profile, each) for each in several]
        for profile, several in hz.items()
        if profile == CPU or any(several)
    ]
    return ", ".join(map(" ".join, said)) or "–"


def _converged(row: Json) -> Text:
    """Of a target's live agents, such as `✓ 3/3`, and how many others are lost."""
    said = Text("no live agents")
    if row["agents"]:
        said = _mark("converged" if row["converged"] == row["agents"] else "applying")
        said.append(f" {row['converged']}/{row['agents']}")
    if row["lost"]:
        said.append(f", {row['lost']} lost", _MARKS["lost"][1])
    return said


def leases(rows: Iterable[Json], now_ms: int) -> Table:
    grid = table("LEASE", "TARGET", "KIND", ">HZ", ">LEFT", "WHY")
    for row in rows:
        grid.add_row(
            row["id"],
            row["target"],
            row["kind"],
            Text(text.named_hz(row["profile"], row["hz"]), "bold"),
            text.span(row["expires_at_ms"] - now_ms),
            text.why_lease(row),
        )
    return grid


def agents(rows: Sequence[Json], *, of: str = "fleet") -> Table:
    """The agents of one target, or of all under their targets. What needs a look comes first."""
    grid = table("", "AGENT", ">REQUESTED", ">APPLIED", ">ACHIEVED", "WHY")
    troubled = {row["target"] for row in rows if not row["converged"]}
    names = text.names(rows)
    heading = of
    for row in sorted(rows, key=lambda agent: _urgency(agent, troubled)):
        if of == "fleet" and row["target"] != heading:
            heading = row["target"]
            grid.add_row("", Text(heading, "bold"))
        for line in _agent(row, names[id(row)]):
            grid.add_row(*line)
    return grid


def _agent(row: Json, name: str) -> Iterable[tuple[str | Text, ...]]:
    """A line for each of its profiles that is not off; what holds for all stands in the first."""
    standing, applied = text.condition(row), row["applied"] or {"profiles": {}}
    colour = _MARKS[standing][1]
    for number, profile in enumerate(text.profiles(row)):
        wanted, first = row["requested"]["profiles"].get(profile) or {}, number == 0
        confirmed = applied["profiles"].get(profile) or {}
        why = text.why_agent(row, profile) if first else wanted["reason"]
        named = ", ".join([name] * first + [profile] * (profile != CPU))
        yield (
            _mark(standing) if first else "",
            named if first else f"  {named}",
            text.hz(profile, wanted.get("hz")),
            Text(text.hz(profile, confirmed.get("hz")), colour),
            text.hz(profile, confirmed.get("achieved_hz")),
            Text(why, "" if standing == "converged" or not first else colour),
        )


def _urgency(agent: Json, troubled: Collection[str]) -> tuple[bool, str, bool, str]:
    target = agent["target"]
    return target not in troubled, target, agent["converged"], agent["instance"]


def history(rows: Iterable[Json], *, day: bool = True) -> Table:
    grid = table(f"WHEN ({text.zone()})", "TARGET", "EVENT", ">HZ", ">FOR", "WHY")
    for row in rows:
        lease, baseline = row.get("lease") or {}, row.get("baseline") or {}
        profile, frequency = lease.get("profile", CPU), lease.get("hz", baseline.get("default"))
        grid.add_row(
            Text(text.clock(row["at_ms"], day=day), "dim"),
            row["target"],
            Text(row["event"], _EVENTS.get(row["event"], "")),
            "–" if frequency is None else text.named_hz(profile, frequency),
            text.lasted(row),
            row["reason"] + (f"; {whom}" if lease and (whom := text.whom(lease)) else ""),
        )
    return grid


def baseline(document: Json) -> str:
    named = [f"{name} {hz}" for name, hz in document["environments"].items()]
    said = f"Baseline {document['default']} Hz" + (f" ({', '.join(named)})" if named else "")
    others = {name: hz for name, hz in document.get("profiles", {}).items() if hz}
    return ", ".join(filter(None, (said, shown_all(others))))


def counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _mark(standing: str) -> Text:
    return Text(*_MARKS[standing])


def table(*columns: str) -> Table:
    """`>` before a heading: its column holds numbers, on the right and never wrapped."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    for column in columns:
        number = column.startswith(">")
        grid.add_column(
            column.removeprefix(">"),
            justify="right" if number else "left",
            no_wrap=number or column.startswith("WHEN") or column in ("", "KIND", "EVENT"),
            overflow="fold",  # a name that is cut off cannot be copied
        )
    return grid
