"""Words of the API for people: moments, filters, reasons, and names safe to print. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from upshift_agent.contract import AGENT, CPU, FLEET, PID, shown
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


def hz(profile: str, value: float | None) -> str:
    """A frequency in a column: hertz go without their unit, and profilers report odd ones."""
    if value is None:
        return "–"
    return f"{value:.1f}".removesuffix(".0") + ("/h" if profile == "heap" else "")


def named_hz(profile: str, value: float) -> str:
    """The same with its profile, unless that is cpu: `100`, `wall 100`, `heap 4/h`, `all 0`."""
    return hz(profile, value) if profile == CPU else f"{profile} {hz(profile, value)}"


def rule(name: str, profiles: Sequence[str]) -> str:
    """A rule, with the profiles that it is for unless that is cpu alone: `high_cpu (cpu, wall)`."""
    return name if list(profiles) == [CPU] else f"{name} ({', '.join(profiles)})"


def rule_key(outcome: Json) -> str:
    """The rule of an outcome, as its leases are called: `high_cpu`, `high_cpu:wall`."""
    name, profile = outcome["rule"] or "–", outcome["profile"]
    return name if profile in (None, CPU) else f"{name}:{profile}"


def only(where: Mapping[str, str | Sequence[str]]) -> str:
    """An attribute filter: `only deployment.environment.name=staging|production`."""
    if not where:
        return ""
    pairs = (f"{key}={v if isinstance(v, str) else '|'.join(v)}" for key, v in where.items())
    return "only " + ", ".join(pairs)


def why_lease(lease: Json) -> str:
    """Its reason, without the kind and the name that stand beside it, whom it is for, and what ends
    it early."""
    said = str(lease["reason"]).partition(str(lease["id"]))[2].removeprefix(": ")
    stop = f"until stop_if is true: {query}" if (query := lease.get("stop_if")) else ""
    return "; ".join(filter(None, (said, whom(lease), stop))) or "no reason given"


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
    """What an agent of the target would run at if it started now, by where that is. Of other
    profiles than cpu what leases say, unless it is the same."""
    who = "An agent that starts now runs at"
    if view["target"] == FLEET:
        who = f"By the fleet's leases alone, {who[:1].lower()}{who[1:]}"
    said: list[str] = []
    answers: list[list[tuple[Any, ...]]] = []
    for profile, group in groupby(view["starting"], lambda row: row["profile"]):
        rows = list(group)
        answer = [(_place(row), row["hz"], row["lease"]) for row in rows]
        if any(row["lease"] is not None for row in rows) and answer not in answers[:1]:
            said.append(_starting(who, rows))
        elif profile == CPU:
            said.append(f"{who} its baseline.")
        answers.append(answer)
        who = "If it can raise {}, that runs at"
    return "\n".join(said)


def _starting(who: str, rows: Sequence[Json]) -> str:
    anywhere, *others = rows
    who = who.format(anywhere["profile"])
    if not others:
        return f"{who} {_hz(anywhere)}: {anywhere['reason']}."
    places = [*((f"in {_place(other)}", other) for other in others), ("elsewhere", anywhere)]
    return f"{who}\n" + "\n".join(
        f"  {_hz(stage)} {place}: {stage['reason']}" for place, stage in places
    )


def _hz(row: Json) -> str:
    return shown(row["profile"], row["hz"])


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


def profiles(agent: Json) -> list[str]:
    """Those of an agent's profiles that are to be seen: cpu, and of others what is not off."""
    wanted, applied = agent["requested"]["profiles"], agent["applied"] or {"profiles": {}}
    seen = [
        profile
        for profile in wanted
        if profile == CPU
        or wanted[profile]["hz"]
        or applied["profiles"].get(profile, wanted[profile])["hz"]
    ]
    return seen or [*wanted, CPU][:1]


def why_agent(agent: Json, profile: str) -> str:
    """Why a profile should run at what it should, preceded by why the agent does not."""
    standing = condition(agent)
    wrong = {
        "converged": "",
        "lost": f"lost: not heard of for {span(agent['reported_ms_ago'])}",
        "behind": "behind: has not heard of it yet",
    }.get(standing, standing)
    if agent["error"]:
        wrong = f"{wrong or 'reports'}: {agent['error']}"
    reason = agent["requested"]["profiles"].get(profile, {}).get("reason")
    said = [wrong, reason, *(f"skipped {why}" for why in agent["skipped"])]
    return "; ".join(filter(None, said))
