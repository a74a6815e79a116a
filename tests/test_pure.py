"""`make unit` finds by itself which tests are pure."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from pure import NothingStarts, starts
from servers import eventually, redis_server


def by_name() -> None:
    subprocess.run(["true"], check=True)


def by_a_context() -> None:
    with redis_server(Path()):
        pass


def by_a_module() -> None:
    servers.alertmanager(Path(), "")


def by_a_helper_inside() -> None:
    def within() -> None:
        by_a_context()

    eventually(within)


@given(st.integers())
def by_an_example(number: int) -> None:
    by_name()


class ByAMethod:
    def __init__(self) -> None:
        by_name()


def by_a_class() -> None:
    ByAMethod()


@pytest.mark.parametrize(
    "test",
    [by_name, by_a_context, by_a_module, by_a_helper_inside, by_an_example, by_a_class],
    ids=lambda it: it.__name__,
)
def test_what_starts_a_process_however_far_away_is_not_pure(test: Callable[..., None]) -> None:
    assert starts(test, set())


def test_what_only_waits_and_counts_is_pure() -> None:
    assert not starts(lambda: eventually(lambda: servers.what_is_missing("cc")), set())


def test_a_pure_test_that_starts_something_after_all_fails() -> None:
    guard = NothingStarts()
    guard.running = True
    with socket.socket() as server, pytest.raises(pytest.fail.Exception, match="seems pure"):
        guard.look("socket.bind", (server, ("127.0.0.1", 0)))
    with pytest.raises(pytest.fail.Exception, match="seems pure"):
        guard.look("subprocess.Popen", ())
    guard.running = False
    guard.look("subprocess.Popen", ())  # as xdist does, between tests
