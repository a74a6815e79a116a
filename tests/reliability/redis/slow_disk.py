"""A Redis whose disk is slow: each commit is synced, and it stands still again and again."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from servers import RedisServer, eventually, redis_server

from ..parts.agents import agents
from ..parts.controllers import controller, firing
from ..parts.ends import Ends, ends, expiries
from ..table import Row, Size
from .outages import ANSWER_S

#: From told to granted, or to obeyed: two stalls and a try again.
KILLED_S = 5.0


def slow_disk(folder: Path, size: Size) -> Row:
    """Alerts about a service each, sent until they are taken, while Redis stalls most of the time.

    To whoever waits for it, a `fsync` that takes a second is a server stopped for a second.
    """
    boosts = size.of(400, 5)
    slowest = refused = 0.0
    broken: list[str] = []
    names = [f"slow-{at}" for at in range(boosts)]
    with (
        redis_server(folder / "redis", "--appendfsync", "always") as server,
        agents(folder, server.url, "a", "b") as fleet,
        controller(folder, server.url) as upshift,
    ):
        with _stalling(server):
            upshift.notify(firing())
            for name in names:
                alert = firing(service=name)
                for _ in range(20):
                    began = time.monotonic()
                    status = upshift.notify(alert).status_code
                    slowest = max(slowest, time.monotonic() - began)
                    if status == 200:
                        break
                    refused += 1
                else:
                    broken.append(f"the alert about {name} was never taken")
            asked_at = time.monotonic()
            upshift.lease(target="fleet", kind="cap", hz=0, duration="1m")
            granted_s = time.monotonic() - asked_at
            eventually(lambda: fleet.all_at(0), within_s=60)
            obeyed_s = time.monotonic() - asked_at - granted_s
        upshift.release("fleet")
        eventually(lambda: fleet.all_at(19))
        off = ends(fleet.calls, expiries(upshift.history(), server.url))
        for name in names:
            eventually(lambda: _events(upshift.history(f"service/{name}"), "expired"))  # noqa: B023
            granted = _events(upshift.history(f"service/{name}"), "granted")
            if granted != 1:
                broken.append(f"{name} was granted {granted} boosts")
    broken += [f"an answer took {slowest:.1f} s"] if slowest > ANSWER_S else []
    broken += [
        f"cap {what} after {it:.1f} s"
        for what, it in (("granted", granted_s), ("obeyed", obeyed_s))
        if it > KILLED_S
    ]
    return Row(
        fault="Redis on a slow disk: it stands still for 0.1 to 1.5 s, again and again",
        injected=boosts,
        promised=f"answers ≤ {ANSWER_S:g} s; one boost for each alert taken; ends ≤ 1 s; "
        f"cap granted and obeyed ≤ {KILLED_S:g} s each",
        worst=f"answer after {slowest:.1f} s, {refused:.0f} × 503; {Ends(off.off_s).worst}; "
        f"cap granted after {granted_s:.1f} s, obeyed after {obeyed_s:.1f} s",
        broken=broken + off.broken(0),
    )


def _events(history: list[dict[str, object]], event: str) -> int:
    return sum(entry["event"] == event for entry in history)


@contextlib.contextmanager
def _stalling(server: RedisServer) -> Iterator[None]:
    dice, done = random.Random(4), threading.Event()

    def stall() -> None:
        while not done.is_set():
            server.freeze()
            done.wait(dice.uniform(0.1, 1.5))
            server.thaw()
            done.wait(dice.uniform(0.02, 0.2))

    thread = threading.Thread(target=stall, name="slow disk")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
