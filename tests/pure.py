"""Which tests are pure: they start no process and serve nothing. `make unit` runs these alone.

Nobody keeps a list. A test is pure unless what it does, what its fixtures do, or what a helper of
either does, names something that starts a process or binds a port. What that misses, such as a
process that the product starts, fails under `--pure`; `@pytest.mark.servers()` says it aloud.
"""

from __future__ import annotations

import functools
import inspect
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).parent

#: Modules that start processes or serve; whoever names them, or anything of theirs, does so too.
STARTING = {
    "aiohttp.test_utils",
    "http.server",
    "multiprocessing",
    "socketserver",
    "subprocess",
    "upshift_agent.testing",  # talks to a Redis
    "upshift_controller.storage.own_valkey.embedded",
    "upshift_host.drivers.child",
}
#: Names, of whatever object, that do so.
STARTS = {
    "TCPSite",
    "bind",
    "create_server",
    "fork",
    "forkpty",
    "listening",
    "posix_spawn",
    "start_server",
}
#: What Python reports before it does so; `bind` is looked at further.
EVENTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


def is_pure(item: pytest.Item) -> bool:
    if item.get_closest_marker("servers"):
        return False
    found: list[Any] = [getattr(item, "function", None)]
    if fixtures := getattr(item, "_fixtureinfo", None):  # no public way to the functions
        found += [it.func for all_ in fixtures.name2fixturedefs.values() for it in all_]
    if called := getattr(item, "callspec", None):
        found += called.params.values()
    seen: set[int] = set()
    return not any(starts(it, seen) for it in found)


def starts(value: Any, seen: set[int]) -> bool:
    """Whether `value`, or anything of the tests that it names, names what starts or serves.

    seen: what was looked at before, by id, and did not.
    """
    if id(value) in seen:
        return False
    seen.add(id(value))
    if isinstance(value, ModuleType):
        return value.__name__ in STARTING
    if isinstance(value, functools.partial):
        return any(starts(it, seen) for it in (value.func, *value.args))
    if isinstance(value, MethodType):
        value = value.__func__
    if not isinstance(value, FunctionType | type):
        value = type(value)
    if value.__module__ in STARTING:
        return True
    if not _is_ours(value.__module__):
        return starts(inner, seen) if (inner := _wrapped(value)) else False
    parts = [*vars(value).values(), *value.__bases__] if isinstance(value, type) else []
    if isinstance(value, FunctionType):
        names = set(_names(value.__code__))
        if names & (STARTS | STARTING):
            return True
        parts = [value.__globals__[name] for name in names if name in value.__globals__]
        parts += [
            vars(it)[name]
            for it in parts
            if isinstance(it, ModuleType) and _is_ours(it.__name__)
            for name in names & vars(it).keys()
        ]
        parts += inspect.getclosurevars(value).nonlocals.values()
        parts.append(_wrapped(value))
    return any(starts(it, seen) for it in parts)


def _wrapped(value: Any) -> Any:
    """The function inside a decorated one."""
    inner = getattr(getattr(value, "hypothesis", None), "inner_test", None)
    return inner or getattr(value, "__wrapped__", None) or getattr(value, "fget", None)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


@functools.cache
def _is_ours(module: str) -> bool:
    where = getattr(sys.modules.get(module), "__file__", None)
    return where is not None and Path(where).is_relative_to(TESTS)


class NothingStarts:
    """A plugin: while a test runs, whatever starts a process or binds a port fails it.

    `look` is for `sys.addaudithook`.
    """

    running = False

    def look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.running:
            return
        binds = event == "socket.bind" and arguments[0].family != socket.AF_UNIX
        if binds or event in EVENTS:
            # No `Exception`, so that the code under test cannot swallow it.
            pytest.fail(f"{event} in a test that seems pure: @pytest.mark.servers() if it has to")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        self.running = True
        try:
            return (yield)
        finally:
            self.running = False
