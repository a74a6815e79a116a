"""`upshift replay`: what rules would have done with the alerts of the past. Needs no controller."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from upshift_rules.durations import parse_duration

from ..client import Client
from ..options import DEFAULT_URL, CaFile, TokenFile, Url, duration
from ..past import Past, from_prometheus, from_webhooks, in_file, living
from ..rules_file import read, rules_file
from ..screen import replayed, show
from ..several import each_apart, keeping_all

if TYPE_CHECKING:
    from upshift_rules.model import RuleSet
    from upshift_rules.trials.fleet import Member
    from upshift_rules.trials.replay import Replayed

    from ...configuration import Configuration

#: Fewer alerts are not worth a process of their own.
_MANY = 20_000
#: The same as `documents.advice.REPEAT_MS`, in words.
_REPEAT = "4h5m"


def replay(
    file: Annotated[
        Path | None,
        rules_file("Rules to try, or upshift.yaml. Default: today's alone."),
    ] = None,
    alerts: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            exists=True,
            help="Webhooks that were kept, one a line, or the folder of `upshift serve --record`.",
        ),
    ] = None,
    prometheus: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Prometheus, which remembers alerts as ALERTS."),
    ] = None,
    prometheus_token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, help="File that holds a token for Prometheus."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="How far back. Default: 7d from Prometheus, all of webhooks.",
        ),
    ] = None,
    today: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Rules to compare with. Default: those that `upshift serve` would take here.",
        ),
    ] = None,
    agents: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Who lives: `agents:` as in rule tests. Default: those whom alerts are about.",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", metavar="", help="Or those that report to the controller now."),
    ] = False,
    each: Annotated[
        int,
        typer.Option(
            min=1,
            max=100_000,
            metavar="N",
            help="Agents to assume of each service or node, without --agents.",
        ),
    ] = 1,
    repeat: Annotated[
        str,
        typer.Option(
            parser=duration,
            metavar="DURATION",
            help="How often Alertmanager tells again, with --prometheus.",
        ),
    ] = _REPEAT,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print the figures, for programs.")
    ] = False,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Run the alerts of the past through rules: what is raised, for how long, at what cost.

    In virtual time, with the controller's own decisions; compared with today's rules. Needs no
    controller, but for --live.
    """
    from upshift_rules.cost import uncounted
    from upshift_rules.trials.beside.assuming import assumed
    from upshift_rules.trials.beside.told import not_asked
    from upshift_rules.trials.fleet import alike

    if (alerts is None) == (prometheus is None):
        raise typer.BadParameter("give one of --alerts and --prometheus", param_hint="--alerts")
    if agents is not None and live:
        raise typer.BadParameter("give one of --agents and --live", param_hint="--agents")
    configurations = [read(today)] if file is None else [read(today), read(file)]
    names = [it.rules_from for it in configurations]
    several = [it.rules for it in configurations]
    since_ms = None if since is None else parse_duration(since)
    with keeping_all():
        if alerts is not None:
            rules = [rule for one in several for rule in (*one.rules, *one.rollouts)]
            lasts_ms = max([0, *(rule.duration_ms for rule in rules)])
            past = from_webhooks(alerts, since_ms, lasts_ms)
        else:
            token, repeat_ms = prometheus_token_file, max(1000, parse_duration(repeat))
            past = from_prometheus(str(prometheus), token, since_ms, repeat_ms)
        if live:
            named = living(Client(url, token_file, ca_file, exact=True))
        elif agents is not None:
            named = in_file(agents)
        else:
            named = assumed(past.notices, several, each)
        members, is_assumed = alike(named, several), not (live or agents)
        found = _replay(past, members, configurations)
    for said in dict.fromkeys((*map(not_asked, several), _without_rollouts(past, several))):
        if said:
            show.console(stderr=True).print(Text(f"Note: {said}"))
    if as_json:
        show.answer(replayed.as_json(found, names, past, members, assumed=is_assumed))
        return
    beyond = sorted({name for it in configurations for name in uncounted(it.rules)})
    replayed.show(found, names, past, members, assumed=is_assumed, uncounted=beyond)


def _without_rollouts(past: Past, several: Sequence[RuleSet]) -> str:
    """Why no rule of `on_rollout` does anything, if so."""
    if past.tells_of_rollouts or not any(it.rollouts for it in several):
        return ""
    return (
        f"on_rollout raises nothing here: {past.source} tells of no rollout. Prometheus' ALERTS "
        "and webhooks never do; `upshift serve --record DIR` keeps rollouts too"
    )


def _replay(
    past: Past, members: Sequence[Member], configurations: Sequence[Configuration]
) -> list[Replayed]:
    from upshift_rules.trials.fleet import Fleet
    from upshift_rules.trials.replay import Ruled, replay

    from ...sources.virtual_time import SOURCES

    fleet = Fleet(members)

    def run(configuration: Configuration) -> Replayed:
        ruled = Ruled(configuration.rules, configuration.limits)
        costs = configuration.settings.cost
        return replay(past.notices, ruled, fleet, costs, past.start_ms, past.end_ms, SOURCES)

    return each_apart(run, configurations, apart=past.alerts >= _MANY)
