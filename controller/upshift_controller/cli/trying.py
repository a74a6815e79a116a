"""Tries the guards of rules on a real Prometheus, for `upshift check --prometheus`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .client import token_in
from .errors import Failed

if TYPE_CHECKING:
    from upshift_rules.documents.document import RuleDocument
    from upshift_rules.documents.located import Located, Problem
    from upshift_rules.guards.query import Query

    from ..sources.prometheus.connected import Connected


@dataclass(frozen=True, slots=True)
class Tried:
    """What there is to say of guards, each with its place."""

    faults: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    answers: list[Problem] = field(default_factory=list)


def connected(url: str, token_file: Path | None) -> Connected:
    """Return what asks the Prometheus at `url`. Raise `typer.BadParameter`."""
    from ..sections.prometheus import Prometheus
    from ..sources.prometheus.connected import Connected

    token = None if token_file is None else token_in(token_file, "--prometheus-token-file")
    return Connected(Prometheus(url.rstrip("/"), token))


def tried(documents: Sequence[Located[RuleDocument]], ask: Connected) -> Tried:
    """Ask each guard of documents, about anybody. Raise `Failed` where Prometheus is away."""
    from ..errors import BadQuery, NoAnswer

    found = Tried()
    for located in documents:
        for index, entry in enumerate(located.document.sampling.on_alert):
            for name in ("only_if", "stop_if"):
                query = getattr(entry, name)
                place = partial(located.source.problem, ("sampling", "on_alert", index, name))
                try:
                    if query is not None:
                        answer, missing = _tried(query, ask)
                        found.answers.append(place(f"{name}, about anybody, {answer} now"))
                        found.warnings.extend(
                            place(f"{name} is about {it}, and there is nothing like that now")
                            for it in missing
                        )
                except BadQuery as error:
                    found.faults.append(place(f"{name}: {error}"))
                except NoAnswer as error:
                    raise Failed(str(error)) from error
    return found


def _tried(query: Query, ask: Connected) -> tuple[str, list[str]]:
    """Return what the answer is, and what the query is about that is not there."""
    from upshift_rules.guards.query import about_anybody, selected_by

    from ..sources.prometheus.answers import read_answer

    result = ask(about_anybody(query))
    # A comparison may hold for nobody now; but are there such series at all?
    selectors = () if result else selected_by(query)
    return read_answer(result).said, [it for it in selectors if not ask(f"count({it})")]
