"""What a process does to its agents: it forks, and it exits. Light: loaded with `Agent`.

A child of a process with agents has agents of its own. Locks and connections are never shared:
the child begins with new ones, and lets go of its copies of the parent's.
"""

from __future__ import annotations

import atexit
import os
import threading
import time

TYPE_CHECKING = False  # importing typing would cost more than the rest of this module
if TYPE_CHECKING:
    from .agent import Agent

EXIT_S = 0.25  # how long all agents together may hold up the interpreter's exit
FORK_S = 10.0  # how long a fork waits for an import of ours; they take a fraction of a second

#: Held by agents' threads while they import. A child forked in the midst of it would find the
#: modules locked by a thread that it does not have, and hang at its own import of them.
importing = threading.RLock()

#: The started agents of this process.
agents: list[Agent] = []

_hooked = False
_held = False


def watch() -> None:
    """From the first agent on, see to forks and to the exit."""
    global _hooked
    if not _hooked:
        _hooked = True
        # These take a lock before a fork and release it after. Imported by an agent's thread while
        # a fork waits for it, they would release what they have not taken. So not on that thread.
        import concurrent.futures.thread  # noqa: F401  # for its fork handlers
        import logging  # noqa: F401  # for its fork handlers

        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_before_fork,
                after_in_parent=_after_fork_in_parent,
                after_in_child=_after_fork_in_child,
            )


def _before_fork() -> None:
    global _held
    _held = importing.acquire(timeout=FORK_S)


def _after_fork_in_parent() -> None:
    if _held:
        importing.release()


def _after_fork_in_child() -> None:
    global importing
    importing = threading.RLock()
    for agent in agents:
        agent.restart_after_fork()


def _at_exit() -> None:
    deadline = time.monotonic() + EXIT_S
    running = [run for agent in agents if (run := agent.begin_stop())]
    for run in running:
        run.join(deadline)
