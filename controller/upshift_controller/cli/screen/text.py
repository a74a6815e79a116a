"""Words of the API for people: moments, filters, reasons, and names safe to print. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from upshift_agent.contract import AGENT, FLEET, PID
from upshift_rules.durations import format_duration

Json = Mapping[str, Any]


def plain(value: object) -> str:
    """`value` on one line and without what a terminal might obey."""
    text = str(value)
    return text if text.isprintable() else "".join(map(_escaped, text))


def plain_throughout(document: Any) -> Any:
    """`document` with every text in it `plain`."""
    match document:
        case str():
            return plain(document)
        case list():
            return [plain_throughout(item) for item in document]
        case dict():
            return {plain(key): plain_throughout(value) for key, value in document.items()}
    return document


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def span(ms: int) -> str:
    """A duration to the second: `4m12s`."""
    return format_duration(max(0, ms) // 1000 * 1000)


def clock(ms: int, *, day: bool = False) -> str:
    """A moment in local time, as `zone` is now."""
    moment = datetime.fromtimestamp(ms / 1000, _now().tzinfo)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S")


def zone() -> str:
    """Of every moment that is shown: `CET`, or `+03` where the zone has no letters."""
    return _now().strftime("%Z")


def _now() -> datetime:
    return datetime.now().astimezone()


def hz(value: float | None) -> str:
    """A frequency without its unit; profilers report odd ones."""
    return "–" if value is None else f"{value:.1f}".removesuffix(".0")


def only(where: Mapping[str, str | Sequence[str]]) -> str:
    """An attribute filter: `only deployment.environment.name=staging|production`."""
    if not where:
        return ""
    pairs = (f"{key}={v if isinstance(v, str) else '|'.join(v)}" for key, v in where.items())
    return "only " + ", ".join(pairs)


def why_lease(lease: Json) -> str:
    """Its reason, without the kind and the name that stand beside it, and whom it is for."""
    said = str(lease["reason"]).partition(str(lease["id"]))[2].removeprefix(": ")
    return "; ".join(filter(None, (said, whom(lease)))) or "no reason given"


def whom(lease: Json) -> str:
    """The agents that it is for, where that is not all of its target."""
    share = f"{lease['fraction']:.0%} of its agents" if lease["fraction"] < 1 else ""
    return "; ".join(filter(None, (only(lease["where"]), share)))


def lasted(entry: Json) -> str:
    """How long the lease of an entry was to last, or by its end has lasted."""
    if not (lease := entry.get("lease")):
        return "–"
    ended = entry["event"] in ("expired", "reverted", "released")
    end_ms = min(lease["expires_at_ms"], entry["at_ms"]) if ended else lease["expires_at_ms"]
    return span(end_ms - lease["since_ms"])


def starting(view: Json) -> str:
    """What an agent of the target would run at if it started now, by where that is."""
    rows = view["starting"]
    who = "An agent that starts now runs at"
    if view["target"] == FLEET:
        who = f"By the fleet's leases alone, {who[:1].lower()}{who[1:]}"
    if all(row["lease"] is None for row in rows):
        return f"{who} its baseline."
    anywhere, *others = rows
    if not others:
        return f"{who} {anywhere['hz']} Hz: {anywhere['reason']}."
    places = [*((f"in {_place(other)}", other) for other in others), ("elsewhere", anywhere)]
    return f"{who}\n" + "\n".join(
        f"  {stage['hz']} Hz {place}: {stage['reason']}" for place, stage in places
    )


def _place(row: Json) -> str:
    named = (f"{key}={value}" for key, value in row["where"].items())
    return ", ".join(filter(None, (row["environment"], *named)))


def nothing_known(view: Json) -> str:
    meant = f"; did you mean {plain(view['near'])}?" if view["near"] else ""
    return (
        f"nothing is known of {plain(view['target'])}: "
        f"it has no agents, no leases and no history{meant}"
    )


def names(agents: Sequence[Json]) -> dict[int, str]:
    """By `id`: each agent's instance, and where that repeats its pid, and its own id at last."""
    found = {id(agent): str(agent["instance"]) for agent in agents}
    for attribute, said in ((PID, "pid"), (AGENT, "agent")):
        often = Counter((agent["target"], found[id(agent)]) for agent in agents)
        for row in agents:
            value = row["attributes"].get(attribute)
            if value and often[row["target"], found[id(row)]] > 1:
                found[id(row)] += f", {said} {value}"
    return found


def condition(agent: Json) -> str:
    """How an agent stands: `converged`, `failed`, `lost`, `behind` or `applying`."""
    if agent["converged"]:
        return "converged"
    # What it has applied is older than what it should run at: the news is on its way to it.
    return "behind" if agent["state"] == "applied" else str(agent["state"])


def why_agent(agent: Json) -> str:
    """Why it should run at what it should, preceded by why it does not."""
    standing = condition(agent)
    wrong = {
        "converged": "",
        "lost": f"lost: not heard of for {span(agent['reported_ms_ago'])}",
        "behind": "behind: has not heard of it yet",
    }.get(standing, standing)
    if agent["error"]:
        wrong = f"{wrong or 'reports'}: {agent['error']}"
    said = [wrong, agent["requested"]["reason"], *(f"skipped {why}" for why in agent["skipped"])]
    return "; ".join(filter(None, said))
