"""What may stand in Redis by accident, or by whoever may write there, in place of what should."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis

from upshift_agent.contract import FLEET, Keys

KEYS = Keys()
HOME = "service/checkout"
BAD = b"\xff\xfe"

OF_HOME = (KEYS.state(HOME), KEYS.plan(HOME), KEYS.history(HOME), KEYS.agents(HOME))
INDEXES = (KEYS.due, KEYS.targets, KEYS.reporting)
#: Which versions report, and what is known of them.
ROLLOUTS = (KEYS.versions, KEYS.rollouts)
SHARED = (*INDEXES, *ROLLOUTS, KEYS.budget, KEYS.state(FLEET), KEYS.plan(FLEET))
#: Has whatever there is at work. A window is always open: its lease is the fleet's, whose state and
#: plan are poisoned.
RULES = """
sampling:
  on_alert: [{trigger: high_cpu, frequency: 100, duration: 1s}]
  on_rollout: [{frequency: 97, duration: 1s}]
  schedules:
    - {name: always, cron: "* * * * *", target: fleet, kind: cap, frequency: 900, duration: 2m}
"""

#: By the type that the key has afterwards.
WRITES: Mapping[str, Callable[[Redis, str], Any]] = {
    "string": lambda client, key: client.set(key, BAD),
    "list": lambda client, key: client.rpush(key, "a list", BAD),
    "set": lambda client, key: client.sadd(key, "a set", BAD),
    "sorted set": lambda client, key: client.zadd(key, {BAD: 1, "": float("-inf")}),
    "hash": lambda client, key: client.hset(key, BAD, BAD),
    "stream": lambda client, key: client.xadd(key, {BAD: BAD}),
}

#: Members of a sorted set of targets, and their scores.
NAMES = dict(
    zip(
        [
            BAD,
            b"",
            b"x",
            b"service/" + b"x" * 100_000,
            b"service/\xff",
            b"service/a",
            b"[" * 999,
        ],
        [0, -5, float("-inf"), float("inf"), 1e300, 1, 2**60],
        strict=True,
    )
)

_STATUS = {
    "v": 1, "instance": "a", "attributes": {}, "driver": "d", "state": "applied", "since_ms": 1,
    "requested": {"hz": 19, "revs": {HOME: 1}},
}  # fmt: skip

#: Of strings and fields.
VALUES = [
    b"", BAD, b"null", b"[]", b"7", b"NaN", b"{}", b"[" * 100_000, b'{"rev":1}',
    b'{"rev":007,"plan_rev":1,"plan_after":0,"leases":[]}',
    b'{"rev":' + b"9" * 400 + b',"plan_rev":1,"plan_after":0,"leases":[]}',
    b'{"rev":9007199254740991,"plan_rev":1,"plan_after":0,"leases":[]}',
    b'{"rev":5,"plan_rev":' + b"9" * 30 + b',"plan_after":0,"leases":[]}',
    b'{"rev":5,"plan_rev":5,"plan_after":0,"leases":[7,null,{"id":[]}],"cases":{"a":7},"baseline":1}',
    b'{"rev":5,"plan_rev":5,"plan_after":0,"leases":{"a":1},"cases":[],"forgotten":[1e999,{}]}',
    b'{"rev":5,"plan_rev":5,"plan_after":0,"leases":[],"cases":{"high_cpu":{"lease":{},'
    b'"episodes":{"4bd675a02c6e66f0":["a"]}}}}',
    b'{"s":["service/checkout",[],1,1,1,9]}', b'{"s":["service/checkout","r",-1,1,1,1e300]}',
    json.dumps(
        _STATUS | {"at_ms": 2**50, "requested": {"hz": 1, "revs": {"x" * 9999: 1}}}
    ).encode(),
    json.dumps(_STATUS | {"at_ms": float("nan")}).encode(),
    # Of a schedule's window, and of what is known of versions.
    b'{"rev":5,"plan_rev":5,"plan_after":0,"leases":[],"cases":{"always":{"started":"now",'
    b'"cooling":[]}}}',
    b'{"rev":5,"plan_rev":5,"plan_after":0,"leases":[],"cases":{"always":{"started":-1,'
    b'"refusal":[{},1,2,3]}}}',
    b'{"began":1,"looked":1,"resumed":1,"services":[[{"service.name":"checkout"},"2",{"2":[]}]]}',
    b'{"began":9007199254740990,"looked":9007199254740990,"resumed":0,"services":[]}',
    b'{"began":1,"looked":1,"resumed":1,"services":[[{"service.name":"checkout"},"2",'
    b'{"2":[true,9007199254740990,0,"rollout",false]}]]}',
]  # fmt: skip


def poison_values(client: Redis, value: bytes) -> None:
    """`value` where a value is read, in keys of their right types."""
    for key in (KEYS.state(HOME), KEYS.state(FLEET), KEYS.plan(FLEET), KEYS.budget, KEYS.rollouts):
        client.set(key, value)
    for key in (KEYS.agents(HOME), KEYS.history(HOME)):
        client.delete(key)
    client.hset(KEYS.agents(HOME), "a", value)
    client.xadd(KEYS.history(HOME), {"entry": value})
    client.xadd(KEYS.history(HOME), {"other": value})
    for key in INDEXES:
        client.delete(key)
        client.zadd(key, {HOME: 1})
    client.delete(KEYS.versions)
    client.zadd(KEYS.versions, {value: 2**52})


def _member(name: bytes) -> bytes:
    """A version's, of a service with this name."""
    return name if len(name) < 3 else b'{"service.name":"' + name[8:] + b'","service.version":"1"}'


def poison_names(client: Redis) -> None:
    for key in INDEXES:
        client.delete(key)
        client.zadd(key, NAMES)
        client.zadd(key, {b"\xff%d" % number: number for number in range(600)})
    client.hset(KEYS.agents(HOME), BAD, BAD)
    client.zadd(KEYS.reporting, {HOME: 2**50})
    seconds, _ = client.time()
    client.delete(*ROLLOUTS)
    client.zadd(KEYS.versions, dict.fromkeys(map(_member, NAMES), seconds * 1000))


def poison_type(client: Redis, kind: str) -> None:
    """Every key that there is has this type now, whatever it should have."""
    for key in (*OF_HOME, *SHARED):
        with client.pipeline() as at_once:  # or whoever lives writes the right type in between
            at_once.delete(key)
            WRITES[kind](at_once, key)
            at_once.execute()
