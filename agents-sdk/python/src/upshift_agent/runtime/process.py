"""What a process does to its agents: it forks, and it exits. Light: loaded with `Agent`.

A child of a process with agents has agents of its own. Locks and connections are never shared:
the child begins with new ones, and lets go of its copies of the parent's.

A child has none of its parent's other threads, but all of their locks, as they were. So a fork
waits until our threads are where they hold none (see `gate`). Where it cannot wait so long, what
was being imported is begun anew in the child.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from weakref import WeakSet

from .gate import gate
from .log import describe, log

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Ending(Protocol):
        def join(self, deadline: float) -> None:
            """Wait until `deadline` (of `time.monotonic`) at the longest."""

    class Started(Protocol):
        def begin_stop(self) -> Ending | None:
            """End, without being waited for."""

        def restart_after_fork(self) -> None:
            """In a forked child: begin anew, with nothing of the parent's."""

    class Descriptors(Protocol):
        def let_go(self) -> None:
            """In a forked child: drop the child's copies of the parent's."""


EXIT_S = 0.25  # how long all agents together may hold up the interpreter's exit

#: The started agents of this process, and all loops that have been made in it.
agents: list[Started] = []
loops: WeakSet[Descriptors] = WeakSet()
#: What a child does after it has let go, and before the first agent begins anew.
in_child: list[Callable[[], None]] = []

_hooked = False
_pid = os.getpid()


def watch() -> None:
    """From the first agent on, see to forks and to the exit."""
    global _hooked
    if not _hooked:
        _hooked = True
        # These take a lock before a fork and release it after. Handlers run in the reverse order,
        # so with these imported first, a fork has none of their locks while it waits for us.
        import concurrent.futures.thread  # noqa: F401  # for its fork handlers
        import logging  # noqa: F401  # for its fork handlers

        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=gate.close,
                after_in_parent=gate.open,
                after_in_child=_after_fork_in_child,
            )


def catch_up() -> None:
    """Where a fork ran no handlers (uWSGI's, unless it is told to), do their work late."""
    if _pid != os.getpid():
        _after_fork_in_child()


def _after_fork_in_child() -> None:
    global _pid
    _pid = os.getpid()
    gate.begin_anew()
    log.begin_anew()
    forget_lost_imports()
    # All let go before the first begins anew: its thread might be given their descriptors.
    letting_go = [loop.let_go for loop in loops]
    for step in (*letting_go, *in_child, *[agent.restart_after_fork for agent in agents]):
        try:
            step()
        except Exception as error:  # noqa: BLE001  # one that fails must not cost the others theirs
            log.error("the agent cannot run here: %s", describe(error))


def forget_lost_imports() -> None:
    """In a forked child: what a thread that is not here was importing can be imported anew.

    Python leaves its module locked for ever. That is no public part of importlib; where it looks
    different, nothing is done.
    """
    bootstrap = sys.modules.get("_frozen_importlib")
    me = threading.get_ident()
    locks = dict(getattr(bootstrap, "_module_locks", None) or {})
    for name, reference in locks.items():
        lock = reference()
        if getattr(lock, "owner", None) in (None, me):
            continue
        bootstrap._module_locks.pop(name, None)  # type: ignore[union-attr]
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            # A package's modules hang on the package. They are made again with it.
            for half in [
                module for module in sys.modules if module == name or module.startswith(f"{name}.")
            ]:
                del sys.modules[half]
    # A new thread may be given the number of a lost one; what that waited for is not its concern.
    waiting = getattr(bootstrap, "_blocking_on", None)
    if waiting is not None:
        waiting.clear()


def log_late(thread: int | None) -> None:
    """thread: the number of the one that hangs, None if it has ended."""
    frame = sys._current_frames().get(thread) if thread is not None else None
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "its end"
    log.error(
        "the agent's thread in process %d has not begun its work: it is at %s", os.getpid(), where
    )


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_S
    running = [run for agent in agents if (run := agent.begin_stop())]
    for run in running:
        run.join(deadline)
    log.flush(deadline)
