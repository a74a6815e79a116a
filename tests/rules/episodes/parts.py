"""Alerts in crowds, and what was granted."""

from __future__ import annotations

from rules.world import MINUTE, START_MS, World, alert
from upshift_rules.model import Trigger

A, B, C = (alert(f"{n:016x}") for n in range(3))
HOUR = 60 * MINUTE
REVERT = {"on_resolved": "revert"}


def crowd(count: int, *, apart_ms: int = 0) -> list[Trigger]:
    return [alert(f"{n:016x}", started_ms=START_MS - 1000 - n * apart_ms) for n in range(count)]


def resolved(fired: Trigger, ends_at_ms: int) -> Trigger:
    return fired._replace(status="resolved", ends_at_ms=ends_at_ms)


def granted(world: World) -> int:
    return sum(it.event == "granted" for it in world.history)
