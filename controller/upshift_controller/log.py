"""Logs: for people on a terminal, JSON lines otherwise. One line a change.

Names in it come from anywhere. None of them forges a line, or is obeyed by a terminal.
"""

from __future__ import annotations

import logging
import sys

import orjson
import structlog

from upshift_agent.wire import one_line
from upshift_rules.changes import Entry

from .committer import Committed

#: Characters of one value, and of one line of a traceback.
MAX_VALUE = 2000

log = structlog.get_logger()


def configure(level: int = logging.INFO) -> None:
    human = sys.stderr.isatty()
    # A plain traceback: a pretty one shows the values of variables, secrets too.
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if human
        else structlog.processors.JSONRenderer(_json)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            structlog.processors.format_exc_info,
            _plain,
            renderer,
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
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def _plain(
    _logger: object, _name: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    for key, value in event.items():
        match value:
            case str() if key == "exception":
                event[key] = _lines(value)
            case list() | tuple():
                event[key] = [one_line(str(it), MAX_VALUE) for it in value]
            case None | int() | float():
                pass
            case _:
                event[key] = one_line(str(value), MAX_VALUE)
    return event


def _lines(text: str) -> str:
    """A traceback, indented: what an exception says may have lines of its own."""
    return "\n".join(f"  {one_line(line, MAX_VALUE)}" for line in text.split("\n"))


class _Plain(logging.Formatter):
    """What libraries have to say."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # of the base class
        return one_line(super().formatMessage(record), MAX_VALUE)

    def formatException(self, ei: logging._SysExcInfoType) -> str:  # noqa: N802
        return _lines(super().formatException(ei))


def _json(document: object, **_: object) -> bytes:
    return orjson.dumps(document)


def change(done: Committed, entry: Entry) -> None:
    """The one line of a change: target, frequency, cause, revision."""
    hz = entry.lease.hz if entry.lease else entry.baseline.default if entry.baseline else None
    more = {"kind": entry.lease.kind, "lease": entry.lease.id} if entry.lease else {}
    log.info(
        entry.event, target=done.state.target, hz=hz, cause=entry.reason, rev=done.state.rev, **more
    )
