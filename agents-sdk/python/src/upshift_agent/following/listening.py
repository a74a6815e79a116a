"""Hear what is pushed: one subscribing connection, in a cluster one for each service.

Targets come and go meanwhile. Whoever listens is told once the server has confirmed a target: what
is committed from then on is pushed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from redis.asyncio.client import PubSub

from ..contract import FLEET, Keys, is_sharded
from ..runtime.elapsed import elapsed_s
from ..runtime.loop import end, until_one_fails
from . import timing
from .connect import Servers


class Listening:
    """hear(target, message): a plan was pushed. confirmed(target): from now on they are."""

    def __init__(
        self,
        servers: Servers,
        keys: Keys,
        *,
        hear: Callable[[str, bytes], None],
        confirmed: Callable[[str], None],
    ) -> None:
        self._servers = servers
        self._keys = keys
        self._hear, self._confirmed = hear, confirmed
        self._channels: dict[str, str] = {}
        self._targets: dict[bytes, str] = {}
        self._new: set[str] = set()
        self._changed = asyncio.Event()

    def follow(self, targets: Iterable[str]) -> None:
        """These, from now on, and no others."""
        former = self._channels.keys()
        self._channels = {target: self._keys.changes(target) for target in targets}
        # Also one that was let go just now, and still is subscribed: it wants to be confirmed.
        self._new |= self._channels.keys() - former
        self._targets = {channel.encode(): target for target, channel in self._channels.items()}
        self._changed.set()

    async def run(self) -> None:
        """Listen until a connection is lost. Raise what lost it."""
        if self._servers.sharded:
            await self._listen_apart()
        else:
            await self._listen_to_all()

    def _take_new(self) -> set[str]:
        self._changed.clear()
        new, self._new = self._new, set()
        return new & self._channels.keys()

    async def _listen_to_all(self) -> None:
        home = self._servers.holding(self._keys.plan(FLEET), timing.TIMEOUT_S)
        async with home as client, client.pubsub() as pubsub:
            line = Line()
            self._take_new()
            subscribed = set(self._channels.values())
            async with asyncio.timeout(timing.TIMEOUT_S):
                await pubsub.subscribe(*subscribed)
            await until_one_fails(
                hear=self._hear_all(pubsub, line),
                ask=_keep_asking(pubsub, line),
                subscribe=self._keep_subscribing(pubsub, subscribed),
            )

    async def _keep_subscribing(self, pubsub: PubSub, subscribed: set[str]) -> None:
        while True:
            await self._changed.wait()
            new = {self._channels[target] for target in self._take_new()}
            old = subscribed - set(self._channels.values())
            subscribed = (subscribed | new) - old
            async with asyncio.timeout(timing.TIMEOUT_S):
                if old:
                    await pubsub.unsubscribe(*old)
                if new:
                    await pubsub.subscribe(*new)

    async def _listen_apart(self) -> None:
        """In a cluster: each service's server has a connection, which hears what goes to all
        servers, too. Without a service any server will do for that."""
        listening: dict[str, asyncio.Task[None]] = {}
        relayed: set[str] = set()
        try:
            while True:
                new, before = self._take_new(), relayed
                wanted = set(filter(is_sharded, self._channels)) or {FLEET}
                relayed = self._channels.keys() - wanted | {FLEET}
                if relayed != before:
                    new |= wanted
                ended = listening.keys() - (wanted - new)
                await end(*[listening.pop(target) for target in ended])
                for target in wanted - listening.keys():
                    listening[target] = asyncio.create_task(self._listen(target, relayed))
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait(
                        (changed, *listening.values()), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    await end(changed)
                for task in listening.values():
                    if task.done():
                        task.result()
        finally:
            await end(*listening.values())

    async def _listen(self, target: str, relayed: Iterable[str]) -> None:
        home = self._servers.holding(self._keys.plan(target), timing.TIMEOUT_S)
        async with home as client, client.pubsub() as pubsub:
            line = Line()
            async with asyncio.timeout(timing.TIMEOUT_S):
                await pubsub.subscribe(*map(self._keys.changes, relayed))
                if is_sharded(target):  # not every redis-py from 6.2 on has a method for it
                    await pubsub.execute_command("SSUBSCRIBE", self._keys.changes(target))
            await until_one_fails(hear=self._hear_all(pubsub, line), ask=_keep_asking(pubsub, line))

    async def _hear_all(self, pubsub: PubSub, line: Line) -> None:
        async for message in pubsub.listen():
            line.heard_at = elapsed_s()
            if message["type"] == "sunsubscribe":
                raise ConnectionError("the target has moved to another server")
            target = self._targets.get(message["channel"])
            if target is None:  # a pong, or of one that nobody follows any more
                continue
            if message["type"] in ("message", "smessage"):
                self._hear(target, message["data"])
            elif message["type"] in ("subscribe", "ssubscribe"):
                self._confirmed(target)


class Line:
    """When a subscription's connection was last heard, of `elapsed_s()`."""

    def __init__(self) -> None:
        self.heard_at = elapsed_s()


async def _keep_asking(pubsub: PubSub, line: Line) -> None:
    """Ask a silent server whether it lives. Raise `TimeoutError` if it does not answer."""
    while True:
        silent_s = elapsed_s() - line.heard_at
        if silent_s < timing.PING_S:
            await asyncio.sleep(timing.PING_S - silent_s)
            continue
        asked_at = elapsed_s()
        await pubsub.ping()
        await asyncio.sleep(timing.TIMEOUT_S)
        if line.heard_at < asked_at:
            raise TimeoutError("the subscription does not answer")
