"""Alerts, and whom a test means, as they are written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..leases.draft import digest
from ..matchers import parse_matchers
from ..quick_json import dump
from ..text import show

#: As Prometheus writes one: `HighCPU{service="checkout"}`.
_ALERT = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(\{.*\})?", re.DOTALL)
LIKE = 'must be like HighCPU{service="checkout"}'
#: `1 of shop/*`: so many of those whose names fit.
SOME = re.compile(r"([0-9]{1,9}) of (.+)", re.DOTALL)


def labels_of(text: str) -> dict[str, str]:
    """Read an alert as Prometheus writes one. Raise `ValueError`."""
    found = _ALERT.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{LIKE}, got {show(text)}")
    name, inner = found.groups()
    labels = {"alertname": name} if name else {}
    if inner and inner.strip("{} \n"):
        for it in parse_matchers(inner):
            if it.equals is None:
                raise ValueError(f"{LIKE}; an alert has labels, and no matcher such as {it.text}")
            labels[it.label] = it.equals
    if not labels:
        raise ValueError(f"{LIKE}, got {show(text)}")
    return labels


def identity_of(labels: Mapping[str, str]) -> str:
    """Return what stands for an alert's fingerprint: one for the same labels, in any order."""
    return digest(dump(sorted(labels.items())), 16)


def written(labels: Mapping[str, str]) -> str:
    """Return an alert as Prometheus writes it."""
    others = (f"{name}={show(value, 100)}" for name, value in labels.items() if name != "alertname")
    inner = ", ".join(others)
    return labels.get("alertname", "") + (f"{{{inner}}}" if inner else "")
