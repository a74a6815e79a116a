"""Webhooks that were kept → notices, in order of time.

A file has one a line: what `--record` writes, which says when each came, or Alertmanager's own
bodies, which are taken to have come when the newest of their alerts began or ended. A file may also
be one body, or a list of them. Of a folder, all its `*.jsonl` are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upshift_agent.contract import read_version, shorten
from upshift_agent.contract.errors import WireError
from upshift_rules.model import BadTrigger, Trigger
from upshift_rules.quick_json import dump, loads
from upshift_rules.rollouts import rollout
from upshift_rules.trials.trial import Notice

from ...errors import PastUnreadable
from ..alertmanager.payload import milliseconds, read_alert

#: What a line of `--record` has: when, and a webhook or the versions that were rolled out.
RECEIVED_AT, WEBHOOK, ROLLOUTS = "received_at", "webhook", "rollouts"


@dataclass(slots=True)
class Webhooks:
    """notices: in order of time; of the same labels of one alert there is one object. faults: why a
    line was left out, each with its place."""

    notices: list[Notice] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_webhooks(path: Path) -> Webhooks:
    """Read a file or a folder. A line that is no webhook is left out; raise `PastUnreadable` where
    there is none that is one."""
    found, labels = Webhooks(), dict[str, Mapping[str, str]]()
    for file in _files(path):
        for place, document in _documents(file, found.faults):
            try:
                found.notices.append(_shared(_notice(document), labels))
            except ValueError as error:
                found.faults.append(f"{place}: {error}")
    if not found.notices:
        why = found.faults[0] if found.faults else "it is empty"
        raise PastUnreadable(f"there is no webhook in {path}: {why}")
    found.notices.sort(key=lambda it: it.at_ms)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.jsonl"))
    if not files:
        raise PastUnreadable(f"there are no *.jsonl in {path}")
    return files


def _documents(file: Path, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """Return each JSON document of a file, with its place."""
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    document = loads(line)
                except (ValueError, RecursionError) as error:
                    if number == 1:  # it may be one document on many lines
                        yield from _whole(file, faults)
                        return
                    faults.append(f"{file}:{number}: not JSON: {error}")
                    continue
                several = document if isinstance(document, list) else [document]
                yield from ((f"{file}:{number}", it) for it in several)
    except OSError as error:
        raise PastUnreadable(f"cannot read {file}: {error.strerror}") from error


def _whole(file: Path, faults: list[str]) -> Iterator[tuple[str, Any]]:
    try:
        document = loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        faults.append(f"{file}: not JSON: {error}")
        return
    several = document if isinstance(document, list) else [document]
    yield from ((f"{file}, webhook {number}", it) for number, it in enumerate(several, 1))


def _notice(document: Any) -> Notice:
    """Raise `ValueError` for what is no webhook."""
    body, at_ms = document, None
    if isinstance(document, dict) and (WEBHOOK in document or ROLLOUTS in document):
        body, said = document.get(WEBHOOK), document.get(RECEIVED_AT)
        at_ms = milliseconds(said) if isinstance(said, str) else None
        if at_ms is None:
            raise ValueError(
                f"{RECEIVED_AT} must be a time such as 2026-01-31T12:00:00Z, got {shorten(said)}"
            )
        if ROLLOUTS in document:
            return Notice(at_ms, _rollouts(document[ROLLOUTS], at_ms))
    alerts = body.get("alerts") if isinstance(body, dict) else None
    if not isinstance(alerts, list):
        raise ValueError(f"no webhook of Alertmanager, which has alerts: {shorten(body)}")
    triggers = [read_alert(it, f"alerts[{number}]") for number, it in enumerate(alerts)]
    if at_ms is None:
        moments = [_moment(it) for it in triggers if isinstance(it, Trigger)]
        if not moments:
            raise ValueError("none of its alerts can be read, so nobody knows when it came")
        at_ms = max(moments)
    return Notice(at_ms, triggers)


def _shared(notice: Notice, labels: dict[str, Mapping[str, str]]) -> Notice:
    """The same with labels that there are once, of however many words there are of an alert: of a
    hundred thousand alerts they take the most memory."""

    def shared(it: Trigger | BadTrigger) -> Trigger | BadTrigger:
        if isinstance(it, BadTrigger):
            return it
        known = labels.setdefault(it.identity, it.labels)
        return it._replace(labels=known) if known == it.labels else it

    return notice._replace(triggers=[shared(it) for it in notice.triggers])


def _rollouts(rows: object, at_ms: int) -> list[Trigger | BadTrigger]:
    try:
        return [
            rollout(read_version(dump(row).encode()), at_ms)
            for row in (rows if isinstance(rows, list) else [rows])
        ]
    except WireError as error:
        raise ValueError(f"{ROLLOUTS}: {error}") from error


def _moment(trigger: Trigger) -> int:
    return max(trigger.starts_at_ms, trigger.ends_at_ms)


def alerts_of(notices: list[Notice]) -> int:
    """Return how many alerts notices tell of, repeats and all."""
    return sum(len(it.triggers) for it in notices)
