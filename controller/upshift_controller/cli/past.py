"""Where a replay has its alerts and its agents from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upshift_agent.contract import canonical

from .client import Client, token_in
from .errors import Failed
from .screen import show
from .screen.text import plain

if TYPE_CHECKING:
    from upshift_rules.trials.fleet import Member
    from upshift_rules.trials.trial import Notice

#: How far back Prometheus is asked, unless that is said.
WEEK_MS = 7 * 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Past:
    """Notices in order of time, and the span that they are of, in Unix ms. source: where they are
    from, in words. faults: what of it could not be read, each with its place."""

    notices: Sequence[Notice]
    start_ms: int
    end_ms: int
    source: str
    faults: Sequence[str] = ()

    @property
    def alerts(self) -> int:
        """How many alerts they tell of, repeats and all."""
        return sum(len(it.triggers) for it in self.notices)

    @property
    def tells_of_rollouts(self) -> bool:
        return any(getattr(it, "kind", "") == "rollout" for n in self.notices for it in n.triggers)


def from_webhooks(path: Path, since_ms: int | None, lasts_ms: int) -> Past:
    """since_ms: how far back from the last one; None: all of them. lasts_ms: how much time passes
    after it. Raise `Failed`."""
    from ..errors import PastUnreadable
    from ..sources.past.webhooks import read_webhooks

    try:
        found = read_webhooks(path)
    except PastUnreadable as error:
        raise Failed(str(error)) from error
    last_ms = found.notices[-1].at_ms
    start_ms = found.notices[0].at_ms if since_ms is None else last_ms - since_ms
    notices = [it for it in found.notices if it.at_ms >= start_ms]
    return Past(notices, start_ms, last_ms + lasts_ms, plain(path), found.faults)


def from_prometheus(
    url: str, token_file: Path | None, since_ms: int | None, repeat_ms: int
) -> Past:
    """since_ms: how far back from now; None: a week. repeat_ms: how often Alertmanager tells an
    alert again. Raise `Failed`."""
    from upshift_rules.trials.past import notices

    from ..errors import PastUnreadable
    from ..sources.past.prometheus import Connected, public, read_alerts

    out, end_s = show.console(stderr=True), int(time.time())
    start_s = end_s - (since_ms or WEEK_MS) // 1000
    token = None if token_file is None else token_in(token_file, "--prometheus-token-file")
    try:
        with out.status("reading Prometheus") as status:
            several = read_alerts(
                Connected(url, token),
                start_s,
                end_s,
                seen=lambda share: status.update(f"reading Prometheus, {share:.0%}"),
            )
    except PastUnreadable as error:
        raise Failed(str(error)) from error
    source = f"Prometheus at {public(url)}"
    if not several:
        raise Failed(f"{source} remembers no firing alert of that time")
    told = notices(several, end_s * 1000, repeat_ms)
    return Past(told, start_s * 1000, end_s * 1000, source)


def in_file(path: Path) -> list[Member]:
    """Return the agents that a file names. Raise `Failed`."""
    from upshift_rules.documents.located import DocumentError
    from upshift_rules.trials.agents import read_agents

    try:
        members = read_agents(path.read_bytes(), str(path)).document.members()
    except (DocumentError, OSError) as error:
        raise Failed(str(error)) from error
    if not members:
        raise Failed(f"{path} names no agents")
    return members


def living(client: Client) -> list[Member]:
    """Return the agents that report to a controller now. Raise `Failed`."""
    from upshift_rules.trials.fleet import Member

    rows = [row for row in client.get("agents")["agents"] if row["state"] != "lost"]
    if not rows:
        raise Failed(f"no agents report to the controller at {client.url}")
    return [
        Member(
            name=row["instance"],
            home=row["target"],
            attributes=canonical(row["attributes"]),
            profiles=tuple(row["requested"]["profiles"]),
            max_hz=row["max_hz"],
            profiler=row["profiler"] or None,
        )
        for row in rows
    ]
