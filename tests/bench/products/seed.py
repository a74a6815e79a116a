"""States and statuses straight into Redis, as controllers and agents would have written them.

    python seed.py REDIS_URL states TARGETS LEASES MILLISECONDS   leases that end so long from now
    python seed.py REDIS_URL statuses SERVICES COUNT              agents that have just reported

At each line on standard input, a prefix, it seeds PREFIX-0 and so on; then it says when the leases
end, or what the time is: milliseconds of Redis's clock.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import redis

from upshift_agent.contract import (
    CPU,
    INSTANCE,
    Applied,
    Cause,
    Confirmed,
    Keys,
    Lease,
    Requested,
    Status,
    Wanted,
    encode_plan,
    encode_status,
)
from upshift_rules.leases.state import TargetState, plan_of
from upshift_rules.leases.stored import encode_state

KEYS = Keys()
_BATCH = 1000
T = TypeVar("T")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while batch := list(islice(left, _BATCH)):
        yield batch


def now_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def seed_states(
    client: redis.Redis, targets: Iterable[str], leases: int, expires_at_ms: int
) -> None:
    """Give each target so many boosts of operators, all with one end."""
    since_ms = now_ms(client)
    for batch in _batches(targets):
        pipe = client.pipeline(transaction=False)
        for target in batch:
            state = _state(target, leases, since_ms, expires_at_ms)
            pipe.set(KEYS.state(target), encode_state(state))
            pipe.set(KEYS.plan(target), encode_plan(plan_of(state, since_ms)))
        pipe.zadd(KEYS.due, dict.fromkeys(batch, expires_at_ms))
        pipe.zadd(KEYS.targets, dict.fromkeys(batch, since_ms))
        pipe.execute()


def _state(target: str, leases: int, since_ms: int, expires_at_ms: int) -> TargetState:
    rev = since_ms * 1000
    made = [
        Lease(
            id=f"boost/{number:08x}",
            kind="boost",
            hz=50 + number % 50,
            since_ms=since_ms,
            expires_at_ms=expires_at_ms,
            where={"deployment.environment.name": "production"},
            cause=Cause.of_operator("ann", reason=f"look at {number}"),
        )
        for number in range(leases)
    ]
    return TargetState(target=target, rev=rev, plan_rev=rev, leases=tuple(made))


def seed_statuses(client: redis.Redis, services: Sequence[str], count: int) -> None:
    """`count` agents that have just reported, spread over the services."""
    at_ms = now_ms(client)
    for batch in _batches(range(count)):
        pipe = client.pipeline(transaction=False)
        for number in batch:
            target = f"service/{services[number % len(services)]}"
            status = _status(target, f"host-{number}", at_ms)
            pipe.hset(KEYS.agents(target), f"host-{number}/1", encode_status(status))
        pipe.execute()
    client.zadd(KEYS.reporting, {f"service/{name}": at_ms for name in services})


def _status(target: str, instance: str, at_ms: int) -> Status:
    revs = {target: 1, "fleet": at_ms * 1000}
    return Status(
        instance=instance,
        attributes={
            "service.name": target.partition("/")[2],
            INSTANCE: instance,
            "deployment.environment.name": "production",
            "host.name": instance,
            "process.pid": "1",
        },
        driver="pyroscope",
        at_ms=at_ms,
        state="applied",
        since_ms=at_ms,
        requested=Requested(revs=revs, profiles={CPU: Wanted(hz=19, reason="baseline (default)")}),
        applied=Applied(revs=revs, at_ms=at_ms, profiles={CPU: Confirmed(hz=19)}),
        sdk="python/0.1.0",
    )


def main(url: str, what: str, *numbers: int) -> None:
    client = redis.Redis.from_url(url, decode_responses=True)
    print("ready")
    for line in sys.stdin:
        at_ms, prefix = now_ms(client), line.strip()
        if what == "states":
            count, leases, ahead_ms = numbers
            at_ms += ahead_ms
            targets = (f"service/{prefix}-{n}" for n in range(count))
            seed_states(client, targets, leases, at_ms)
        else:
            services, count = numbers
            seed_statuses(client, [f"{prefix}-{n}" for n in range(services)], count)
        print(at_ms)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
