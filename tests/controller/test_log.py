"""Nothing that is logged forges a line, is obeyed by a terminal, or raises."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from upshift_agent.contract import is_plain
from upshift_controller import log as logs

HOSTILE = "x\n[error] forged\r\x1b[2J\u2028\u202e\x85\ud800"

#: Of the console's, which are there to be obeyed.
OUR_COLOURS = re.compile(r"\x1b\[\d*m")

Said = Callable[[], str]


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.TextIOWrapper, _Terminal], ids=["pipe", "terminal"])
def said(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What `upshift serve` writes to stderr, where that is a pipe or a terminal."""
    raw = io.BytesIO()
    stream = request.param(raw, encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    before = structlog.get_config()
    logs.configure()

    def written() -> str:
        logs.drain()
        stream.flush()  # also for its own sake: who lets go of it closes `raw`
        return raw.getvalue().decode()

    yield written
    structlog.configure(**before)


def _fails() -> None:
    raise ValueError(HOSTILE)


def _log_everything() -> None:
    log = structlog.get_logger()
    log.warning(HOSTILE, cause=HOSTILE, targets=[HOSTILE], more={HOSTILE: (HOSTILE,)}, hz=19)
    logging.getLogger("aiohttp.server").error("of %s", HOSTILE)
    try:
        _fails()
    except ValueError:
        log.exception("request failed", path=HOSTILE)
        logging.getLogger("asyncio").exception("task of %s", HOSTILE)


def test_every_line_is_one_of_ours_and_nothing_in_it_is_obeyed(said: Said) -> None:
    _log_everything()
    for line in said().removesuffix("\n").split("\n"):
        assert is_plain(OUR_COLOURS.sub("", line)), repr(line)
        assert not line.startswith("[error]")


def test_a_value_is_bounded(said: Said) -> None:
    structlog.get_logger().warning("said", cause="y" * 1_000_000)
    assert len(said()) < 2 * logs.MAX_VALUE
