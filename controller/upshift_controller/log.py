"""Logs: for people on a terminal, JSON lines otherwise. One line a change.

Names in it come from anywhere. None of them forges a line, or is obeyed by a terminal.
"""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Callable
from typing import Any, cast

import orjson
import structlog

from upshift_agent.contract import CPU, one_line
from upshift_rules.leases.changes import Entry

from .leasing.committer import Committed
from .runtime.sink import Sink, to_file

#: Characters of one value, and of one line of a traceback.
MAX_VALUE = 2000

log = structlog.get_logger()


_sink: Sink | None = None


def lost() -> int:
    """Lines that could not be written since the start."""
    return _sink.lost if _sink else 0


def drain() -> None:
    """Wait until all lines are out, a second at most."""
    if _sink:
        _sink.drain()


def configure(level: int = logging.INFO) -> None:
    """Nothing that is logged from now on raises or waits, whatever stderr is. See `sink`."""
    global _sink
    stream = sys.stderr
    human = stream.isatty()
    try:
        write: Callable[[bytes], object] = to_file(stream.fileno())
    except OSError:  # not a file, as in tests
        write = stream.buffer.write
    _sink = sink = Sink(write, _lost_in_words if human else _lost_as_json)
    # A plain traceback: a pretty one shows the values of variables, secrets too.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)

    def for_people(*event: Any) -> bytes:
        return console(*event).encode(errors="backslashreplace")

    class Logger(structlog.make_filtering_bound_logger(level)):  # type: ignore[misc]  # made there
        def _proxy_to_logger(self, method: str, event: str | None = None, **more: Any) -> Any:
            try:
                return super()._proxy_to_logger(method, event, **more)
            except Exception:  # noqa: BLE001  # a value that cannot be shown must not fail what is logged
                sink.lose()

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if human else "iso", utc=not human),
            structlog.processors.format_exc_info,
            _plain,
            for_people if human else structlog.processors.JSONRenderer(_json),
        ],
        wrapper_class=Logger,
        logger_factory=structlog.BytesLoggerFactory(cast("Any", sink)),
        cache_logger_on_first_use=True,
    )
    # Libraries speak up only when something is wrong.
    handler = _Handler(sink)
    handler.setFormatter(_Plain("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    atexit.register(sink.drain)


def _lost_as_json(count: int) -> bytes:
    return orjson.dumps({"level": "error", "event": "log lines lost", "count": count}) + b"\n"


def _lost_in_words(count: int) -> bytes:
    return b"log lines lost: %d\n" % count


class _Handler(logging.Handler):
    """What libraries log goes the same way."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._sink.write(self.format(record).encode(errors="backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001  # of values that cannot be shown
            self._sink.lose()


def _plain(
    _logger: object, _name: str, event: structlog.types.EventDict
) -> structlog.types.EventDict:
    for key, value in event.items():
        match value:
            case str() if key == "exception":
                event[key] = _lines(value)
            case list() | tuple():
                event[key] = [one_line(str(item), MAX_VALUE) for item in value]
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
    """The one line of a change: target, frequency in the profile's unit, cause, revision."""
    hz = entry.lease.hz if entry.lease else entry.baseline.default if entry.baseline else None
    more = {"kind": entry.lease.kind, "lease": entry.lease.id} if entry.lease else {}
    if entry.lease and entry.lease.profile != CPU:
        more["profile"] = entry.lease.profile
    log.info(
        entry.event,
        target=done.state.target,
        hz=hz,
        reason=entry.reason,
        rev=done.state.rev,
        **more,
    )
