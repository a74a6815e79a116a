"""Fixtures that every suite shares."""

import json
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pure import NothingStarts, is_pure
from servers import RedisServer, may_be_left_out, redis_server, what_is_missing

#: Whole ways on real profilers take a quiet machine, and some rights: `make integrations`.
collect_ignore = [] if os.environ.get("UPSHIFT_INTEGRATIONS") else ["integrations"]
#: So do whole deployments: `make deploy-test`.
collect_ignore += [] if os.environ.get("UPSHIFT_DEPLOY") else ["deploy/real"]

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("upshift", deadline=None)
hypothesis.settings.load_profile("upshift")


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey of this test's own, empty."""
    with redis_server(tmp_path / "valkey") as server:
        yield server


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what goes to the background like this, and every process that a test starts
    # would ignore it as well. A handler that does nothing is not inherited.
    signal.signal(signal.SIGINT, lambda *_: None)

os.environ.pop("COLUMNS", None)  # of the terminal that they run in; xdist sets it as well

#: What takes longest begins first, or all else waits for it at the end.
LONGEST_FIRST = ("test_demo", "test_a_real_alert", "test_reliability")
#: Rows of the reliability table that load the machine, and the benchmarks, go one after the other.
LOADS_THE_MACHINE = (
    "test_the_promise_holds_under[load-",
    "[kill-switch-",
    "[one-token]",
    "[bad-",
    "[many-changes]",
    "test_bench.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pure", action="store_true", help="Only what starts no process or server")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("pure"):
        nothing_starts = NothingStarts()
        config.pluginmanager.register(nothing_starts)
        sys.addaudithook(nothing_starts.look)
        # A quick look between two edits; `make test` tries all.
        hypothesis.settings.register_profile("pure", deadline=None, max_examples=25)
        hypothesis.settings.load_profile("pure")


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` runs groups of tests side by side: by file, so that fixtures are shared."""
    if config.getoption("pure"):
        left_out = [item for item in items if not is_pure(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=_turn)  # a stable order
    for item in items:
        if any(it in item.nodeid for it in LOADS_THE_MACHINE):
            group = "loads the machine"
        else:
            # Each demo has workers that are always busy: one at a time.
            alone = any(it in item.nodeid for it in LONGEST_FIRST[1:])
            group = item.nodeid if alone else item.path.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


def _turn(item: pytest.Item) -> int:
    places = (at for at, it in enumerate(LONGEST_FIRST) if it in item.nodeid)
    return next(places, len(LONGEST_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a failure shows may hold half a surrogate, which would end xdist."""
    report = yield
    plain = json.loads(json.dumps(report, ensure_ascii=False).encode("utf-8", "replace"))
    if isinstance(plain, dict) and isinstance(plain.get("longrepr"), list):  # of what was left out
        plain["longrepr"] = tuple(plain["longrepr"])
    return plain


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.servers("amtool")` leaves a test out without that program; in CI it fails."""
    for marker in item.iter_markers("servers"):
        if why := what_is_missing(*marker.args):
            (pytest.skip if may_be_left_out() else pytest.fail)(why)
