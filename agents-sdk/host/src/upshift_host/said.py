"""The host agent's log, and what is said of an error: one line each."""

from __future__ import annotations

import logging
import sys

from upshift_agent.contract import one_line

from .errors import HostError

log = logging.getLogger("upshift_host")
MAX_LINE = 500  # characters


def describe(error: BaseException) -> str:
    """What it is and says, on one line."""
    said = one_line(str(error), MAX_LINE)
    return said if isinstance(error, HostError) and said else f"{type(error).__name__}: {said}"


def to_stderr() -> None:
    """Of this package and of the SDK, without dates where systemd's journal adds them."""
    form = "%(levelname)s %(message)s" if not sys.stderr.isatty() else "%(asctime)s %(message)s"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(form))
    for name in ("upshift_host", "upshift_agent"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
