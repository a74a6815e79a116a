"""What tests about limits share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.conftest import Answer, Running, alert
from upshift_agent.contract import (
    CPU,
    Applied,
    Confirmed,
    Keys,
    Profile,
    Requested,
    Status,
    Wanted,
    encode_status,
)

KEYS = Keys()
RULES = """
sampling:
  default: 19
  environments: {staging: 49}
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m}
    - {trigger: high_latency, frequency: 49, duration: 15m, on_resolved: revert}
"""


def limited(**limits: int) -> str:
    return RULES + f"limits: {json.dumps(limits)}\n"


def about(service: str, name: str = "HighCPU", **more: Any) -> dict[str, Any]:
    labels = {"alertname": name, "service_name": service}
    return alert(labels, fingerprint=f"{name}-{service}", **more)


def at_rest(instance: str, attributes: Mapping[str, str], at_ms: int, *profiles: Profile) -> Status:
    """What an agent says that runs at its baseline; `at_ms` in Redis time. profiles: those that it
    can raise, cpu unless others are named."""
    hz = {profile: 19 if profile == CPU else 0 for profile in profiles or (CPU,)}
    return Status(
        instance=instance,
        attributes=attributes,
        driver="callable",
        at_ms=at_ms,
        state="applied",
        since_ms=at_ms,
        requested=Requested(revs={}, profiles={it: Wanted(hz=hz[it]) for it in hz}),
        applied=Applied(revs={}, at_ms=at_ms, profiles={it: Confirmed(hz=hz[it]) for it in hz}),
    )


def report(
    running: Running,
    service: str,
    agents: int,
    environment: str = "production",
    *,
    shared: bool = False,
) -> None:
    """So many live agents of a service, and one that stopped reporting long ago. shared: the nth of
    each service drives the profiler of node n."""
    now_ms = running.redis.time()[0] * 1000
    for number in range(agents + 1):
        at_ms = now_ms if number < agents else 1
        here = {"deployment.environment.name": environment}
        name = f"node-{number}:/etc/profiler" if shared else None
        status = at_rest(f"{service}-{number}", here, at_ms)
        status = replace(status, max_hz=50, profiler=name)
        key = KEYS.agents(f"service/{service}")
        running.redis.hset(key, status.instance, encode_status(status))
    running.redis.zadd(KEYS.reporting, {f"service/{service}": now_ms})


def budget(running: Running) -> dict[str, list[Any]]:
    return dict(json.loads(running.redis.get(KEYS.budget) or "{}"))


async def override(running: Running, **changes: Any) -> Answer:
    body = {"target": "service/checkout", "kind": "boost", "hz": 99, "duration": "10m"}
    return await running.ask("POST", "/api/v1/leases", json=body | changes)
