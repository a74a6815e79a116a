"""A controller whose log cannot be written, again and again: nothing else may be any different."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from servers import RedisServer, Server, eventually, redis_server

from ..parts.agents import Agents, agents
from ..parts.controllers import Controller, controller, firing
from ..parts.ends import PROMISED_S, Ends, ends, expiries, recorded_late
from ..parts.stopping import PROMISED, Stops
from ..redis.outages import ANSWER_S
from ..table import Row, Size

#: From an expiry to its record: the job at that moment, or else the sweep behind it.
RECORDED_S = 6.0
#: Each of them logs a line.
ALERTS = 5
#: Put before a program that is to have no stderr.
CLOSED = ("sh", "-c", 'exec "$@" 2>&-', "sh")

#: Makes the log of a running controller unwritable for as long as the context lasts.
Spoil = Callable[[Controller], AbstractContextManager[None]]


@dataclass
class Log:
    """`spoils` by what they do. Those that are told of lost lines afterwards find it in `told`."""

    stderr: int | None
    spoils: dict[str, Spoil]
    told: Path | None = None
    command: tuple[str, ...] = ()


def fill(pipe: Path) -> None:
    """Until it takes no byte more."""
    writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * size)
    os.close(writer)


@contextmanager
def piped(folder: Path) -> Iterator[Log]:
    """A reader that dies, and one that does not read."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = Server(["cat", str(pipe)], 0, folder / "told")
    reader.start(lambda: True)
    stderr = os.open(pipe, os.O_WRONLY)  # waits for the reader

    @contextmanager
    def dead(_: Controller) -> Iterator[None]:
        reader.kill()
        yield
        reader.start(lambda: True)

    @contextmanager
    def stalled(_: Controller) -> Iterator[None]:
        reader.freeze()
        fill(pipe)
        yield
        reader.thaw()

    try:
        yield Log(stderr, {"dead reader": dead, "reader that does not read": stalled}, reader.log)
    finally:
        reader.kill()
        os.close(stderr)


@contextmanager
def limited(folder: Path) -> Iterator[Log]:
    """A file that may not grow, as on a full disk; the limit can be lifted from outside."""
    told = folder / "told"
    with told.open("ab") as file:

        @contextmanager
        def full(upshift: Controller) -> Iterator[None]:
            assert upshift.process is not None
            no_limit = resource.RLIM_INFINITY
            room = told.stat().st_size + 1  # the line is cut short
            resource.prlimit(upshift.process.pid, resource.RLIMIT_FSIZE, (room, no_limit))
            yield
            resource.prlimit(upshift.process.pid, resource.RLIMIT_FSIZE, (no_limit, no_limit))

        yield Log(file.fileno(), {"full disk": full}, told)


@contextmanager
def _always(_: Controller) -> Iterator[None]:
    yield


@contextmanager
def full_device(_: Path) -> Iterator[Log]:
    with open("/dev/full", "wb") as file:
        yield Log(file.fileno(), {"/dev/full": _always})


@contextmanager
def closed(_: Path) -> Iterator[Log]:
    yield Log(None, {"no stderr": _always}, command=CLOSED)


LOGS = (piped, limited, full_device, closed)


@dataclass
class Seen:
    granted: int = 0
    not_ready_s: float = 0.0
    lost: float = 0.0
    off_s: list[float] = field(default_factory=list)
    recorded_s: list[float] = field(default_factory=list)
    stops: Stops = field(default_factory=Stops)
    broken: list[str] = field(default_factory=list)


def lost_log(folder: Path, size: Size) -> Row:
    """Each kind of log, and each way to spoil it, in turns with a log that can be written."""
    rounds = size.of(4, 1)
    seen = Seen()
    with (
        redis_server(folder / "redis") as server,
        agents(folder, server.url, "a", "b", "c") as fleet,
    ):
        for kind in LOGS[: size.of(len(LOGS), 2)]:
            where = folder / kind.__name__
            where.mkdir()
            with (
                kind(where) as log,
                controller(where, server.url, command=log.command, stderr=log.stderr) as upshift,
            ):
                for _ in range(rounds):
                    for name, spoil in list(log.spoils.items())[: size.of(2, 1)]:
                        began = len(seen.broken)
                        freezes = size.full or kind is piped
                        _round(server, fleet, upshift, log, spoil, seen, freezes=freezes)
                        seen.broken[began:] = [f"{name}: {it}" for it in seen.broken[began:]]
                seen.lost += upshift.metric("upshift_log_lines_lost_total")
    left = Ends(seen.off_s)
    times = len(seen.recorded_s)
    return Row(
        fault="the controller's log cannot be written: no reader, none that reads, no room, none",
        injected=times,
        promised=f"all that should be is granted; {PROMISED}; "
        f"readiness is true ≤ {ANSWER_S:g} s; agents back ≤ {PROMISED_S:g} s, recorded ≤ "
        f"{RECORDED_S:g} s",
        worst=f"{seen.granted} granted; {seen.stops.worst}; Redis away and back seen after "
        f"{seen.not_ready_s:.1f} s; {left.worst}; recorded after "
        f"{max(seen.recorded_s, default=0):.1f} s; {seen.lost:.0f} lines lost",
        broken=[*seen.broken, *seen.stops.broken, *left.broken(3 * times)],
    )


def _round(
    server: RedisServer,
    fleet: Agents,
    upshift: Controller,
    log: Log,
    spoil: Spoil,
    seen: Seen,
    *,
    freezes: bool,
) -> None:
    lost_before = upshift.metric("upshift_log_lines_lost_total")
    told_before = log.told.read_bytes().count(b"log lines lost") if log.told else 0
    before = len(upshift.history())
    with spoil(upshift):
        if seen.stops.stop(upshift, fleet):
            upshift.release("fleet")
            eventually(lambda: fleet.all_at(19))
        alerts = [firing(service=f"other-{time.monotonic_ns()}") for _ in range(ALERTS)]
        for alert in (*alerts, firing()):
            answer = upshift.notify(alert)
            if answer.status_code == 200 and answer.json()["counts"] == {"granted": 1}:
                seen.granted += 1
            else:
                seen.broken.append(f"an alert was answered {answer.status_code} {answer.text}")
        if not upshift.is_ready():
            seen.broken.append("it was not ready")
        eventually(lambda: fleet.all_at(100))
        if freezes:
            server.freeze()
            seen.not_ready_s = max(seen.not_ready_s, _until(lambda: not upshift.is_ready(), seen))
            server.thaw()
            seen.not_ready_s = max(seen.not_ready_s, _until(upshift.is_ready, seen))
        eventually(lambda: fleet.all_at(19))
        recorded = eventually(lambda: recorded_late(upshift.history()[before:]), within_s=30)
    seen.recorded_s += recorded
    seen.broken += [f"recorded after {it:.1f} s" for it in recorded if it > RECORDED_S]
    seen.off_s += ends(fleet.calls, expiries(upshift.history()[before:], server.url)).off_s
    if upshift.metric("upshift_log_lines_lost_total") > lost_before and log.told:
        upshift.notify(firing(service=f"after-{time.monotonic_ns()}"))
        eventually(lambda: log.told.read_bytes().count(b"log lines lost") > told_before)


def _until(check: Callable[[], bool], seen: Seen) -> float:
    """Seconds until readiness was true."""
    began = time.monotonic()
    eventually(check, within_s=30)
    took_s = time.monotonic() - began
    if took_s > ANSWER_S:
        seen.broken.append(f"readiness was true after {took_s:.1f} s only")
    return took_s
