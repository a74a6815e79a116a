"""Pyroscope's `/ingest`: folded stacks, which it scales by the `sampleRate` that they came with.

The window's own frequency goes along, so what is stored are nanoseconds (or bytes), and windows of
different frequencies add up. Names are cut down to what its parser can tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from . import folded
from .export import Shipper
from .labels import labels
from .request import Request
from .window import NS, TIMED, Window

#: Profile → the end of the application's name, by which Pyroscope tells what it is, and its units.
KINDS = {
    "cpu": ("cpu", "samples"),
    "wall": ("wall", "samples"),
    "alloc": ("alloc_space", "bytes"),
    "lock": ("lock_duration", "lock_nanoseconds"),
    "heap": ("inuse_space", "bytes"),
}
_NO_APPLICATION = re.compile(r"[^a-zA-Z0-9_./-]")
#: Ends a value, or the list of labels: there is no escaping in that language.
_NO_LABEL = re.compile(r"[,{}=]")


class Pyroscope(Shipper):
    """Sends windows to a Pyroscope server, or to whatever takes what it takes."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        """url: the server's, without `/ingest`. headers: such as a tenant's. Raise `ValueError`."""
        super().__init__(url, ingest, headers=headers)


def ingest(window: Window) -> Request:
    """The request that tells a window."""
    kind, units = KINDS[window.profile]
    values = window.samples if window.profile in TIMED else window.weighed()
    query = {
        "name": f"{_application(window)}.{kind}{{{_labels(window)}}}",
        "from": int(window.began_s * NS),
        "until": int(window.ended_s * NS),
        "format": "folded",
        "sampleRate": window.hz,
        "units": units,
        # What is in use at one moment and at the next does not add up.
        "aggregationType": "average" if window.profile == "heap" else "sum",
        "spyName": window.profiler,
    }
    return Request(
        path=f"/ingest?{urlencode(query)}",
        content_type="text/plain; charset=utf-8",
        body=folded.render(values),
    )


def _application(window: Window) -> str:
    """Of the service's name what may stand there; the whole of it is the label service_name."""
    return _NO_APPLICATION.sub("_", window.attributes.get("service.name", "")) or "unknown"


def _labels(window: Window) -> str:
    pairs = labels(window.attributes).items()
    return ",".join(f"{name}={_NO_LABEL.sub('_', value).strip()}" for name, value in pairs)
