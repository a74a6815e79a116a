"""A service's versions on the screen, and why each was a rollout or none."""

from __future__ import annotations

import typer
from rich.text import Text

from ..client import Json
from . import show, text


def rollouts(document: Json) -> None:
    """Show the answer of `GET /api/v1/rollouts`."""
    out = show.console()
    if document["problem"]:
        typer.echo(document["problem"])
    for number, version in enumerate(document["versions"]):
        if number:
            typer.echo()
        _version(document["service"], version)
    if document["looked_ms"] is not None:
        looked = f"looked at {text.clock(document['looked_ms'], day=True)} {text.zone()}"
        out.print(Text(looked, "dim"), soft_wrap=True)


def _version(service: str, version: Json) -> None:
    out = show.console()
    others = [value for name, value in version["attributes"].items() if name != "service.name"]
    where = f" in {', '.join(others)}" if others else ""
    life = "live" if version["live"] else f"last seen {text.clock(version['last_ms'], day=True)},"
    since = f"{life} since {text.clock(version['since_ms'], day=True)}"
    out.print(Text(f"{service} {version['version']}{where}, {since}", "bold"), soft_wrap=True)
    out.print(Text(version["reason"]), soft_wrap=True)
    rules = show.table("", "RULE", "WHY")
    for rule in version["rules"]:
        mark = Text("✓", "green") if rule["matches"] else Text("–", "dim")
        rules.add_row(mark, text.rule(rule["rule"], rule["profiles"]), rule["reason"])
    if rules.row_count:
        out.print(rules)
    outcomes = show.table("OUTCOME", "RULE", "TARGET", "WHY")
    for outcome in version["outcomes"]:
        outcomes.add_row(
            outcome["outcome"],
            text.rule_key(outcome),
            outcome["target"] or "–",
            outcome["reason"],
        )
    out.print("Its rollout, told now, would be:")
    out.print(outcomes)
