"""Redis on several servers, of which one is about to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from servers import RedisServer
from topologies import cluster, failover
from upshift_agent.contract import Keys

#: With agents. In a cluster `due` is on the shard of the first, and not on that of the second.
SERVICES = ("checkout", "search")


@dataclass
class Deployment:
    """Where Redis is, which of its servers fails, and how to tell that it has been replaced."""

    url: str
    victim: RedisServer
    replaced: Callable[[], bool]
    #: One that stays, to be asked the time.
    other: RedisServer


Start = Callable[[Path], AbstractContextManager[Deployment]]


@contextmanager
def sentinels(folder: Path) -> Iterator[Deployment]:
    with failover(folder) as group:
        yield Deployment(group.url, group.primary, group.promoted, group.replica)


@contextmanager
def shards(key: str, folder: Path) -> Iterator[Deployment]:
    """The primary that holds `key` is the one that fails."""
    with cluster(folder) as whole:
        first, second = (whole.holding(Keys().state(f"service/{it}")) for it in SERVICES)
        assert whole.holding(Keys().due) is first is not second, "as names are hashed"
        victim = whole.holding(key)
        yield Deployment(
            whole.url,
            victim,
            partial(whole.healthy, without=victim),
            second if victim is first else first,
        )
