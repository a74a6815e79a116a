"""A time line in the terminal: how many agents were boosted, a column for each piece of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.text import Text

from upshift_rules.durations import format_duration

from .text import plain

if TYPE_CHECKING:
    from upshift_rules.trials.fleet import Member
    from upshift_rules.trials.replay import Replayed

_BARS = "▁▂▃▄▅▆▇█"
#: Targets that have a line of their own: those whose agents were boosted longest.
_TARGETS = 8
_LONGEST_NAME = 28
_HOUR_S = 3600
#: Distances between two marks of the axis, in seconds; and how a mark is written.
_MARKS = (
    *((60 * n, "%H:%M") for n in (1, 5, 15, 30)),
    *((_HOUR_S * n, "%H:%M") for n in (1, 3, 6, 12)),
    *((24 * _HOUR_S * n, "%a %d") for n in (1, 2, 7)),
    *((24 * _HOUR_S * n, "%d %b") for n in (14, 28, 84)),
)


def strips(
    found: Sequence[Replayed], headings: Sequence[str], members: Sequence[Member], width: int
) -> Iterator[Text]:
    """Return the lines: one for all agents under each of the rules, then the targets that were
    boosted longest under the last of them. width: of the terminal, in columns."""
    from upshift_rules.trials.fleet import Fleet
    from upshift_rules.trials.timeline import columns

    fleet, last = Fleet(members), found[-1]
    boosted: dict[str, int] = {}
    for stretch in last.stretches:
        member = members[stretch.member]
        boosted[member.home] = boosted.get(member.home, 0) + stretch.ms * member.count
    targets = sorted(boosted, key=lambda name: (-boosted[name], name))[:_TARGETS]
    lead = min(max(map(len, [*map(plain, targets), "NEW, at most 1,000"])), _LONGEST_NAME) + 2
    count = max(10, width - lead)
    every_ms = (last.end_ms - last.start_ms) // count
    most = max([1, *(it.most for it in found)])

    def line(name: str, levels: Sequence[int], most: int, style: str) -> Text:
        bars = Text()
        for level in levels:
            if level:
                bars.append(_BARS[-(-level * len(_BARS) // most) - 1], style)
            else:
                bars.append("·", "dim")
        return Text(f"{name[:_LONGEST_NAME]:<{lead}}") + bars

    yield Text(" " * lead + _axis(last.start_ms, last.end_ms, count), "dim")
    for it, heading in zip(found, headings, strict=True):
        levels = columns(it.stretches, fleet, it.start_ms, it.end_ms, count)
        name = f"{heading}, at most {it.most:,}"
        yield line(name, levels, most, "yellow" if it is last else "cyan")
    for target in targets:
        own = {at for at, member in enumerate(members) if member.home == target}
        levels = columns(last.stretches, fleet, last.start_ms, last.end_ms, count, own)
        yield line(plain(target), levels, fleet.living(target).profilers, "green")
    every = format_duration(max(1, every_ms // 1000) * 1000)
    height = f"{most:,} agents are" if most > 1 else "one agent is"
    said = (
        f"A column is {every}: █ is where {height} above their baseline at once, · where none is."
    )
    yield Text(said if most > 1 else said.replace("their", "its"), "dim")
    if targets:
        which = f"{len(targets)} lines are" if len(targets) > 1 else "line is"
        said = f"The last {which} about the targets that were boosted longest: █ is where all of"
        yield Text(f"{said} a target's agents are.", "dim")


def _axis(start_ms: int, end_ms: int, count: int) -> str:
    """Marks at round local times, as many as have room."""
    span_s = max(1, (end_ms - start_ms) // 1000)
    room = max(2, count // 9)
    every_s, form = next((it for it in _MARKS if span_s / it[0] <= room), _MARKS[-1])
    zone = datetime.now().astimezone().tzinfo
    first = datetime.fromtimestamp(start_ms / 1000, zone)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    axis = [" "] * (count + 10)
    steps = -(-int((first - midnight).total_seconds()) // every_s)
    while (moment := midnight + timedelta(seconds=steps * every_s)).timestamp() * 1000 < end_ms:
        at = int((moment.timestamp() * 1000 - start_ms) * count // max(1, end_ms - start_ms))
        mark = f"╷{moment.strftime(form)}"
        if at + len(mark) <= count:
            axis[at : at + len(mark)] = mark
        steps += 1
    return "".join(axis[:count]).rstrip()
