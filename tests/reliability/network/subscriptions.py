"""Subscriptions that break, overflow, fall silent: what was missed is made good after."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from servers import RedisServer, eventually, redis_server
from upshift_agent.contract import Keys

from ..parts.agents import Agents, agents
from ..parts.controllers import Controller, controller, monotonic_of
from ..parts.ends import PROMISED_S
from ..parts.languages import subscriptions
from ..table import Row, Size
from .proxy import Proxy, proxy

#: An agent tries to connect again after at most this: `upshift_agent.following.timing`.
BACKOFF_S = 3.0
#: The agents' interval of reading anew, ± a fifth.
RESYNC_S = 30.0
INSTANCES = ("a", "b", "c")
_frequencies = itertools.cycle(range(20, 200))


@dataclass
class Scene:
    redis: RedisServer
    fleet: Agents
    upshift: Controller

    def pin(self) -> int:
        """A change that no other can be taken for; returns its Hz."""
        hz = next(_frequencies)
        self.upshift.lease(target="service/checkout", kind="pin", hz=hz, duration="10m")
        return hz

    def boost(self, hz: int, seconds: int) -> float:
        """Grant a boost; return its end, of the monotonic clock."""
        home = "service/checkout"
        granted = self.upshift.lease(target=home, kind="boost", hz=hz, duration=f"{seconds}s")
        (lease,) = [it for it in self.upshift.target()["leases"] if it["id"] == granted["lease"]]
        return monotonic_of(self.redis.url, lease["expires_at_ms"])

    def subscribers(self) -> int:
        """How many connections listen."""
        channel = Keys().changes("service/checkout")
        with self.redis.client() as client:
            return int(client.pubsub_numsub(channel)[0][1])

    def told_at(self, hz: int, within_s: float = 30) -> float:
        """When the last of the agents was told to run at `hz`; all must be there `within_s`."""
        eventually(lambda: self.fleet.all_at(hz), within_s=within_s)
        return max(self.fleet.of(name)[-1].at_s for name in self.fleet.instances)

    def all_subscribe(self) -> bool:
        return self.subscribers() == subscriptions(len(self.fleet.instances))

    def converges_after_reconnect(self, hz: int) -> float:
        """Seconds from when all had subscribed again until all had been told; 0: before that."""
        eventually(self.all_subscribe, within_s=30, every_s=0.005)
        reconnected_at = time.monotonic()
        return max(0.0, self.told_at(hz) - reconnected_at)


@contextmanager
def scene(folder: Path, *options: str) -> Iterator[Scene]:
    with (
        redis_server(folder / "redis", *options) as server,
        agents(folder, server.url, *INSTANCES) as fleet,
        controller(folder, server.url) as upshift,
    ):
        eventually(lambda: fleet.all_at(19))
        now = Scene(server, fleet, upshift)
        eventually(now.all_subscribe)
        yield now


def _after_reconnect(
    folder: Path, fault: str, times: int, break_it: Callable[[Scene, random.Random], int]
) -> Row:
    """`break_it` breaks the subscriptions, changes the plan, and returns the new frequency."""
    dice = random.Random(4)
    with scene(folder, "--client-output-buffer-limit", "pubsub 64kb 32kb 1") as now:
        took_s = [now.converges_after_reconnect(break_it(now, dice)) for _ in range(times)]
    return Row(
        fault=fault,
        injected=times,
        promised=f"converged ≤ {PROMISED_S:g} s after the reconnect",
        worst=f"{max(took_s) * 1000:.0f} ms",
        broken=[f"{it:.1f} s after the reconnect" for it in took_s if it > PROMISED_S],
    )


def subscriptions_cut(folder: Path, size: Size) -> Row:
    """CLIENT KILL TYPE pubsub, just before or just after a change."""

    def cut(now: Scene, dice: random.Random) -> int:
        with now.redis.client() as client:
            before = dice.random() < 0.5
            if before:
                client.client_kill_filter(_type="pubsub")
            hz = now.pin()
            if not before:
                client.client_kill_filter(_type="pubsub")
        return hz

    return _after_reconnect(folder, "subscriptions cut", size.of(20, 2), cut)


def buffers_overrun(folder: Path, size: Size) -> Row:
    """Agents stand still while far more is pushed than Redis keeps for them."""
    channel = Keys().changes("service/checkout")

    def overrun(now: Scene, dice: random.Random) -> int:
        eventually(now.all_subscribe)
        now.fleet.freeze()
        with now.redis.client() as client:
            # The kernel's buffers take up to 32 MB of each subscriber first.
            for _ in range(500):
                if client.publish(channel, "x" * 200_000) == 0:
                    break
            else:
                raise AssertionError("100 MB did not overrun the buffers")
        hz = now.pin()
        now.fleet.thaw()
        return hz

    return _after_reconnect(folder, "output buffers overrun", size.of(10, 1), overrun)


def network_cut(folder: Path, size: Size) -> Row:
    """Agents cut off in the middle of a boost; another change is made meanwhile."""
    cut_s = size.of(60, 4)
    promised_s = BACKOFF_S + PROMISED_S
    broken: list[str] = []
    with _behind_proxy(folder) as (now, between):
        boost = now.upshift.lease(target="service/checkout", kind="boost", hz=150, duration="2s")
        now.told_at(150)
        (lease,) = [it for it in now.upshift.target()["leases"] if it["id"] == boost["lease"]]
        end_at = monotonic_of(now.redis.url, lease["expires_at_ms"])
        between.cut()
        cut_at = time.monotonic()
        hz = now.pin()
        late_s = now.told_at(19) - end_at
        time.sleep(max(0.0, cut_at + cut_s - time.monotonic()))  # the length of the fault
        if not now.fleet.all_at(19):
            broken.append(f"cut off, agents went to {now.fleet.hz()}")
        healed_at = time.monotonic()
        between.heal()
        took_s = now.told_at(hz, within_s=60) - healed_at
    if took_s > promised_s:
        broken.append(f"converged {took_s:.1f} s after the network was back")
    if abs(late_s) > PROMISED_S:
        broken.append(f"the boost ended {late_s:+.1f} s off its expiry while cut off")
    return Row(
        fault=f"agents cut off the network for {cut_s} s (silence, no reset)",
        injected=1,
        promised=f"boost ends on time meanwhile; converged ≤ {promised_s:g} s after",
        worst=f"end {late_s * 1000:+.0f} ms, converged after {took_s:.1f} s",
        broken=broken,
    )


def messages_dropped(folder: Path, size: Size) -> Row:
    """Subscribed, and every message lost: only reading anew can help."""
    # The small size shortens the agents' interval, and nothing else.
    resync_s = RESYNC_S if size.full else 3.0
    times = size.of(2, 1)
    longest_s = resync_s * 1.2 + PROMISED_S
    took_s: list[float] = []
    with _behind_proxy(folder, UPSHIFT_TEST_RESYNC_S=str(resync_s)) as (now, between):
        between.drop_messages()
        for _ in range(times):
            hz = now.pin()
            began = time.monotonic()
            took_s.append(now.told_at(hz, within_s=longest_s + 30) - began)
        # Agents of one process share a connection.
        assert between.dropped >= times, "the proxy let messages through"
    return Row(
        fault=f"every pushed message dropped ({between.dropped} of them)",
        injected=times,
        promised=f"converged within the resync interval, {resync_s:g} s ± a fifth",
        worst=f"{max(took_s):.1f} s",
        broken=[f"took {it:.1f} s" for it in took_s if it > longest_s],
    )


@contextmanager
def _behind_proxy(folder: Path, **environment: str) -> Iterator[tuple[Scene, Proxy]]:
    """Agents reach Redis through a proxy; the controller does not."""
    with (
        redis_server(folder / "redis") as server,
        proxy(server.port) as between,
        agents(folder, between.url, *INSTANCES, **environment) as fleet,
        controller(folder, server.url) as upshift,
    ):
        now = Scene(server, fleet, upshift)
        eventually(now.all_subscribe)
        yield now, between
