"""Work that takes long, on several processors."""

from __future__ import annotations

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def keeping_all() -> Iterator[None]:
    """Look for no garbage meanwhile: of very many objects that all stay, that takes long."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def each_apart(work: Callable[[T], R], items: Sequence[T], *, apart: bool) -> list[R]:
    """Return what `work` makes of each item: with `apart` all but the last one in a process of its
    own, where the machine can fork. What is returned must be picklable."""
    if not apart or len(items) < 2 or "fork" not in multiprocessing.get_all_start_methods():
        return [work(item) for item in items]
    context = multiprocessing.get_context("fork")  # which takes along what `work` knows

    def run(item: T, end: Connection) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # of it, whoever started this has to tell
        end.send(work(item))

    *others, last = items
    started = []
    for item in others:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=run, args=(item, theirs), daemon=True)
        process.start()
        theirs.close()
        started.append((item, process, ours))
    mine = work(last)
    found = []
    for item, process, ours in started:
        try:
            found.append(ours.recv())
        except EOFError:  # it was killed, for its memory perhaps
            found.append(work(item))
        process.join()
    return [*found, mine]
