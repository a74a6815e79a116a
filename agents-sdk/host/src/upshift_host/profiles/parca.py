"""Parca's `WriteRaw`: a pprof for each window, with the workload's attributes as labels."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from .export import Shipper
from .labels import labels
from .pprof import encode
from .request import Request
from .window import Window

#: `__name__`, which Parca requires; with the pprof's own types it makes a profile's full name.
NAMES = {"cpu": "process_cpu", "wall": "wall", "alloc": "memory", "lock": "mutex", "heap": "memory"}


class Parca(Shipper):
    """Sends windows to a Parca server."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        """url: the server's, without `/api`. headers: such as a token's. Raise `ValueError`."""
        super().__init__(url, write_raw, headers=headers)


def write_raw(window: Window) -> Request:
    """The request that tells a window."""
    named = {
        "__name__": NAMES[window.profile],
        **labels(window.attributes),
        "profiler": window.profiler,
    }
    body = {
        "normalized": True,
        "series": [
            {
                "labels": {"labels": [{"name": name, "value": named[name]} for name in named]},
                "samples": [{"rawProfile": base64.b64encode(encode(window)).decode()}],
            }
        ],
    }
    return Request(
        path="/api/profiles/writeraw",
        content_type="application/json",
        body=json.dumps(body).encode(),
    )
