"""Logs: for people on a terminal, JSON lines otherwise. One line a change."""

from __future__ import annotations

import logging
import sys

import orjson
import structlog

from upshift_rules.changes import Entry

from .committer import Committed

log = structlog.get_logger()


def configure(level: int = logging.INFO) -> None:
    human = sys.stderr.isatty()
    renderers: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if human
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_json)]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=(
            structlog.WriteLoggerFactory(sys.stderr)
            if human
            else structlog.BytesLoggerFactory(sys.stderr.buffer)
        ),
        cache_logger_on_first_use=True,
    )
    # Libraries speak up only when something is wrong.
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)


def _json(document: object, **_: object) -> bytes:
    return orjson.dumps(document, default=repr)


def change(done: Committed, entry: Entry) -> None:
    """The one line of a change: target, frequency, cause, revision."""
    hz = entry.lease.hz if entry.lease else entry.baseline.default if entry.baseline else None
    more = {"kind": entry.lease.kind, "lease": entry.lease.id} if entry.lease else {}
    log.info(
        entry.event, target=done.state.target, hz=hz, cause=entry.reason, rev=done.state.rev, **more
    )
