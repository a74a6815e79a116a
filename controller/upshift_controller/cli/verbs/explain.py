"""`upshift explain`: what would this alert do, and why not? And was that a rollout?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ..client import Client, Json
from ..options import DEFAULT_URL, AsJson, CaFile, TokenFile, Url
from ..screen import show, text
from ..screen.rollouts import rollouts


def explain(
    alert: Annotated[
        Path | None,
        typer.Argument(
            metavar="ALERT.json",
            help="One alert, a list of them, or a webhook body; - for standard input.",
        ),
    ] = None,
    rollout: Annotated[
        str | None,
        typer.Option(
            metavar="SERVICE",
            help="Instead: the versions of this service, and why each was a rollout or none.",
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show what an alert would do now, and for each rule why it matches or not.

    Exits 1 if there is one that cannot be read.
    """
    client = Client(url, token_file, ca_file, exact=as_json)
    if (alert is None) == (rollout is None):
        raise typer.BadParameter("name one: a file with alerts, or --rollout SERVICE")
    if alert is None:
        known = client.get("rollouts", service=rollout or "")
        if as_json:
            show.answer(known)
        else:
            rollouts(known)
        return
    try:
        body = sys.stdin.buffer.read() if str(alert) == "-" else alert.read_bytes()
    except OSError as error:
        raise typer.BadParameter(
            f"cannot read {alert}: {error.strerror}", param_hint="ALERT.json"
        ) from error
    document = client.post("explain", body=body)
    if as_json:
        show.answer(document)
    else:
        for number, account in enumerate(document["alerts"]):
            if number:
                typer.echo()
            _show(account)
        show.console().print(Text(document["limits"], "dim"), soft_wrap=True)
        show.warnings(show.console(), document["warnings"])
    if any(account["status"] == "invalid" for account in document["alerts"]):
        raise typer.Exit(1)


def _show(account: Json) -> None:
    out = show.console()
    name = account["alertname"] or "(no alertname)"
    out.print(Text(f"{name}, {account['status']}", "bold"))
    rules = show.table("", "RULE", "WHY")
    for rule in account.get("rules") or ():
        mark = Text("✓", "green") if rule["matches"] else Text("–", "dim")
        rules.add_row(mark, text.rule(rule["rule"], rule["profiles"]), rule["reason"])
    if rules.row_count:
        out.print(rules)
    outcomes = show.table("OUTCOME", "RULE", "TARGET", "WHY")
    for outcome in account["outcomes"]:
        outcomes.add_row(
            Text(
                outcome["outcome"],
                "green" if outcome["outcome"] in ("granted", "renewed") else "yellow",
            ),
            text.rule_key(outcome),
            outcome["target"] or "–",
            outcome["reason"],
        )
    out.print("It would now be:")
    out.print(outcomes)
