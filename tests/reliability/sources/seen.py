"""What three controllers say afterwards, and what of it is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ..parts.controllers import Controller
from ..parts.ends import told_twice

ENDS = frozenset({"expired", "reverted", "released"})


def boosts(upshifts: Sequence[Controller]) -> list[dict[str, Any]]:
    """The boosts of alerts and rollouts that live."""
    leases = upshifts[0].get("/api/v1/leases")["leases"]
    return [it for it in leases if it["kind"] == "boost" and it["because"].get("rule")]


def histories_of(upshifts: Sequence[Controller]) -> dict[str, list[dict[str, Any]]]:
    names = [it["target"] for it in upshifts[-1].get("/api/v1/targets")["targets"]]
    return {name: upshifts[-1].history(name) for name in names}


def granted(upshifts: Sequence[Controller], target: str, rule: str) -> list[dict[str, Any]]:
    history = upshifts[0].history(target)
    return [it for it in history if it["event"] == "granted" and _because(it).get("rule") == rule]


def _because(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict((entry.get("lease") or {}).get("because") or {})


def wrong(histories: Mapping[str, list[dict[str, Any]]], fired: Sequence[str]) -> list[str]:
    """What the histories should not say, or leave out."""
    broken = []
    for name, entries in histories.items():
        broken += [f"{name}: {it}" for it in told_twice(entries)]
        broken += [f"{name}: no reason: {it}" for it in entries if not it.get("reason")]
        granted = [it for it in entries if it["event"] == "granted" and _because(it).get("rule")]
        ended = {it["lease"]["id"] for it in entries if it["event"] in ENDS}
        broken += [
            f"{name}: {it['lease']['id']} never ended"
            for it in granted
            if it["lease"]["id"] not in ended
        ]
        by = Counter((_because(it)["rule"], _because(it)["fingerprint"]) for it in granted)
        broken += [f"{name}: {it} granted {n} times" for it, n in by.items() if n > 1]
        windows = [it for it in entries if _because(it).get("schedule") == "minutely"]
        starts = Counter(it["at_ms"] // 60_000 for it in windows if it["event"] == "granted")
        broken += [f"{name}: {n} leases of one window" for n in starts.values() if n > 1]
    for service in fired:
        entries = histories.get(f"service/{service}", [])
        if not any(it["event"] in ("granted", "refused") for it in entries):
            broken.append(f"nothing became of the alert about {service}")
    return broken


def unwell(upshifts: Sequence[Controller]) -> list[str]:
    broken = []
    for at, it in enumerate(upshifts):
        if it.process is None or it.process.poll() is not None:
            broken.append(f"controller {at} has died")
            continue
        lines = it.get("/metrics").splitlines()
        broken += [
            f"controller {at}: {line}"
            for line in lines
            if line.startswith("upshift_task_restarts_total{") and not line.endswith(" 0.0")
        ]
    return broken
