"""Bodies for the webhook; most are nearly right, as that is what gets far."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import requests
from hypothesis import strategies as st

from contract.strategies import jsons

from ..table import Row, Size
from .examples import tried
from .victim import WEBHOOK, victim

_labels = st.dictionaries(
    st.sampled_from(["alertname", "service_name", "environment", "instance", "node", "pod"])
    | st.text(max_size=8),
    st.sampled_from(["HighCPU", "high_latency", "checkout", "production", ""]) | jsons,
    max_size=5,
)
_alert = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | jsons,
        "labels": _labels | jsons,
        "annotations": jsons,
        "startsAt": st.sampled_from(["2026-01-31T12:00:00Z", "0001-01-01T00:00:00Z", "9999-99"])
        | st.datetimes().map(lambda it: it.isoformat() + "Z")
        | jsons,
        "endsAt": jsons,
        "generatorURL": jsons,
        "fingerprint": st.text(max_size=20) | jsons,
    },
)
_notification = st.fixed_dictionaries(
    {},
    optional={
        "version": st.just("4") | jsons,
        "alerts": st.lists(_alert | jsons, max_size=4) | jsons,
        "truncatedAlerts": st.integers() | jsons,
        "receiver": jsons,
    },
)
#: Most are nearly right, as that is what gets far.
_bodies = (
    _notification.map(lambda it: json.dumps({"version": "4", "alerts": []} | it).encode())
    | _notification.map(lambda it: json.dumps(it).encode())
    | jsons.map(lambda it: json.dumps(it).encode())
    | st.binary(max_size=200)
)


def row(folder: Path, size: Size) -> Row:
    with victim(folder) as controller, requests.Session() as session:

        def use(body: bytes) -> None:
            headers = {"Content-Type": "application/json"}
            url = controller.url + WEBHOOK
            post = functools.partial(session.post, url, data=body, headers=headers, timeout=20)
            controller.try_(f"{body!r}", post)

        tried(_bodies, size.of(6000, 200), use)
        return controller.row("bad input: webhook")
