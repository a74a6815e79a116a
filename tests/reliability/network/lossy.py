"""A network that loses packets: a third of them, or all in one direction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import eventually, redis_server

from ..parts.agents import agents
from ..parts.controllers import controller
from ..parts.ends import PROMISED_S
from ..table import Row, Size
from .lossy_link import SERVER, Link, lossy_link
from .subscriptions import INSTANCES, Scene

LOSS = 0.3
#: An agent gives up waiting for an answer after this: `upshift_agent.following.timing`.
TIMEOUT_S = 5.0
BACKOFF_S = 3.0
#: Of every interval of reading anew, here: TCP may be at one packet for longer than a boost lasts,
#: and then it is the other connection that tells.
SHORT_RESYNC_S = 3.0


@contextmanager
def _scene(folder: Path, **environment: str) -> Iterator[tuple[Scene, Link]]:
    with (
        lossy_link() as link,
        redis_server(
            folder / "redis", "--bind", "127.0.0.1", SERVER, "--protected-mode", "no"
        ) as server,
        agents(
            folder,
            server.url.replace("127.0.0.1", SERVER),
            *INSTANCES,
            command=link.on_agents_host,
            **environment,
        ) as fleet,
        controller(folder, server.url) as upshift,
    ):
        now = Scene(server, fleet, upshift)
        eventually(now.all_subscribe)
        yield now, link


def lossy(folder: Path, size: Size) -> Row:
    """Boosts come and go while a third of all packets is lost, both ways."""
    times = size.of(10, 1)
    longest_s = SHORT_RESYNC_S * 1.2 + TIMEOUT_S + BACKOFF_S + PROMISED_S
    up_s, off_s = [], []
    with _scene(folder, UPSHIFT_TEST_RESYNC_S=f"{SHORT_RESYNC_S}") as (now, link):
        link.to_agents = link.to_server = LOSS
        for at in range(times):
            began = time.monotonic()
            end_at = now.boost(100 + at, 20)
            up_s.append(now.told_at(100 + at, within_s=19) - began)
            off_s.append(now.told_at(19, within_s=70) - end_at)
        lost = f"{link.lost:,} packets"
    worst_s = max(off_s, key=abs)
    return Row(
        fault=f"{LOSS:.0%} of all packets lost, both ways ({lost})",
        injected=times,
        promised=f"raised ≤ {longest_s:.0f} s, back ≤ {PROMISED_S:g} s from expiry",
        worst=f"raised after {max(up_s):.1f} s, back {worst_s * 1000:+.0f} ms",
        broken=[f"raised after {it:.1f} s" for it in up_s if it > longest_s]
        + [f"{it:+.1f} s off its expiry" for it in off_s if abs(it) > PROMISED_S],
    )


def one_way(folder: Path, size: Size) -> Row:
    """All packets one way are lost in the middle of a boost; a change is made meanwhile."""
    cut_s = size.of(30, 4)
    # A connection that is being made when the network comes back is given up and made anew.
    promised_s = TIMEOUT_S + BACKOFF_S + PROMISED_S
    off_s, took_s, broken = [], [], []
    rounds = size.of(3, 1) * ["to_agents", "to_server"]
    with _scene(folder) as (now, link):
        for at, direction in enumerate(rounds):
            end_at = now.boost(150 + at, 2)
            now.told_at(150 + at)
            cut_at = time.monotonic()
            setattr(link, direction, 1.0)
            off_s.append(now.told_at(19) - end_at)
            hz = now.pin()
            time.sleep(max(0.0, cut_at + cut_s - time.monotonic()))  # the length of the fault
            # What is sent to agents comes through while only their answers are lost.
            if not set(now.fleet.hz().values()) <= {19, hz}:
                broken.append(f"cut off ({direction}), agents went to {now.fleet.hz()}")
            healed_at = time.monotonic()
            link.heal()
            took_s.append(now.told_at(hz, within_s=60) - healed_at)
            now.upshift.release("service/checkout")
            eventually(lambda: now.fleet.all_at(19), within_s=30)
    return Row(
        fault=f"all packets of one direction lost for {cut_s} s",
        injected=len(rounds),
        promised=f"boost ends on time meanwhile; converged ≤ {promised_s:g} s after",
        worst=f"end {max(off_s, key=abs) * 1000:+.0f} ms, converged after {max(took_s):.1f} s",
        broken=broken
        + [f"{it:+.1f} s off its expiry" for it in off_s if abs(it) > PROMISED_S]
        + [f"converged {it:.1f} s after the network was back" for it in took_s if it > promised_s],
    )
