"""`--wait`: until every live agent that a lease reaches has applied it, or has refused."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from upshift_agent.contract import ALL, CPU, FLEET, Lease, applies, canonical, shown
from upshift_rules.durations import parse_duration

from ..client import Client, Json
from ..errors import Failed
from ..screen import show

_POLL_S = 0.2


def wait_for(
    client: Client, target: str, lease_id: str, timeout: str, *, stderr: bool = False
) -> None:
    """Raise `Failed` unless every one has applied it within `timeout`. stderr: report there."""
    deadline = time.monotonic() + parse_duration(timeout) / 1000
    console = show.console(stderr=True)
    with Progress(
        TextColumn("applied by"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("agents"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        bar = progress.add_task("", total=None)
        while True:
            view = client.get("targets", target)
            reached = _reached(view, lease_id)
            settled = [agent for agent in reached if _settled(agent, target, view["rev"])]
            progress.update(bar, total=len(reached), completed=len(settled))
            if len(settled) == len(reached) or time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
    profile = next(row["profile"] for row in view["leases"] if row["id"] == lease_id)
    _report(show.console(stderr=stderr), target, view["rev"], reached, timeout, profile)


def note_unless_reached(client: Client, target: str, lease_id: str) -> None:
    """Say so when a lease reaches nobody yet: the name, or the filter, may be a slip."""
    try:
        _reached(client.get("targets", target), lease_id)
    except Failed as nobody:
        show.console(stderr=True).print(f"Note: {nobody}", soft_wrap=True)


def _reached(view: Json, lease_id: str) -> Sequence[Json]:
    """The live agents that the lease is for. Raise `Failed` when there are none, or no lease."""
    row = next((row for row in view["leases"] if row["id"] == lease_id), None)
    if row is None:
        raise Failed(f"{lease_id} has ended while we waited")
    lease = Lease.from_json(row)
    live = [agent for agent in view["agents"] if agent["state"] != "lost"]
    if not live:
        raise Failed(
            f"no live agent of {view['target']} reports, so none has applied {lease_id}; "
            "an agent that starts before its end will"
            + (f". Did you mean {view['near']}?" if view["near"] else "")
        )
    reached = [agent for agent in live if applies(lease, canonical(agent["attributes"]))]
    if not reached:
        raise Failed(_misses(lease, live))
    able = [it for it in reached if _is_about(lease, it["requested"]["profiles"])]
    if not able:
        whose = "the fleet" if view["target"] == FLEET else view["target"]
        raise Failed(f"no agent of {whose} can raise {lease.profile}")
    return able


def _is_about(lease: Lease, profiles: Json) -> bool:
    return any(lease.profile in (ALL, profile) for profile in profiles)


def _misses(lease: Lease, live: Sequence[Json]) -> str:
    """Why no agent is reached: what they have where the lease wants something else."""
    attributes = [canonical(agent["attributes"]) for agent in live]
    has = []
    for name in canonical(lease.where):
        values = sorted({str(of_one[name]) for of_one in attributes if name in of_one})
        has.append(f"{name} is {' or '.join(values)}" if values else f"no agent has {name}")
    return f"it reaches none of the {len(live)} live agents: {'; '.join(has)}"


def _settled(agent: Json, target: str, rev: int) -> bool:
    """Whether it has applied, or has tried this very plan and failed."""
    knows_it = agent["known_revs"].get(target, 0) >= rev
    return bool(agent["converged"]) or (agent["state"] == "failed" and knows_it)


def _report(
    out: Console, target: str, rev: int, reached: Sequence[Json], timeout: str, profile: str
) -> None:
    """profile: what the lease is about."""
    missing = [agent for agent in reached if not agent["converged"]]
    if missing:
        out.print(show.agents(missing, of=target))
        refused = sum(_settled(agent, target, rev) for agent in missing)
        late = len(missing) - refused
        raise Failed(
            f"of {show.counted(len(reached), 'agent')}, "
            + " and ".join(
                [f"{refused} failed to apply it"] * bool(refused)
                + [f"{late} did not apply it within {timeout}"] * bool(late)
            )
        )
    running = Counter(_runs_at(agent["requested"]["profiles"], profile) for agent in reached)
    for (at, reason), count in running.most_common():
        verb = "runs" if count == 1 else "run"
        out.print(f"✓ {show.counted(count, 'agent')} {verb} {at}: {reason}", soft_wrap=True)


def _runs_at(wanted: Json, profile: str) -> tuple[str, str]:
    """What an agent runs at, such as `at 100 Hz` or `wall at 100 Hz`, and why."""
    if profile == ALL:
        profile = CPU if CPU in wanted else next(iter(wanted))
    named = "" if profile == CPU else f"{profile} "
    return f"{named}at {shown(profile, wanted[profile]['hz'])}", wanted[profile]["reason"]
