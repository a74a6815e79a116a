"""Parca's query API, as its gateway speaks it in JSON (0.28)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from ..spans import Span
from . import Backend, BackendError, selector
from .asking import ask, said

#: What the host agent writes there. No counts: asked for samples, it answers with nanoseconds.
PROFILES: Mapping[str, tuple[str, str | None]] = {
    "cpu": ("process_cpu:cpu:nanoseconds:cpu:nanoseconds:delta", None),
    "wall": ("wall:wall:nanoseconds:wall:nanoseconds:delta", None),
}


class Parca:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def pprof(self, type_: str, labels: Mapping[str, str | list[str]], span: Span) -> bytes | None:
        status, body = ask(
            self._backend,
            "GET",
            "/api/profiles/query",
            params={
                "mode": "MODE_MERGE",
                "report_type": "REPORT_TYPE_PPROF",
                "merge.query": type_ + selector(labels),
                "merge.start": _rfc3339(span.from_ms),
                # Inclusive there: a profile is in one sub-window only.
                "merge.end": _rfc3339(span.until_ms - 1),
            },
        )
        if status == 404 or (status == 500 and b"no profiles" in body):
            return None
        if status != 200:
            raise BackendError(f"parca: answered {status} to {type_}: {said(body)}")
        try:
            return base64.b64decode(json.loads(body)["pprof"], validate=True)
        except (LookupError, TypeError, ValueError) as error:
            raise BackendError("parca: the answer holds no pprof; is this a Parca?") from error


def _rfc3339(ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
