"""Parca's real server: `make integrations` builds it, once, outside the repository."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from parts import program
from servers import HttpServer, free_port, running


class ParcaServer(HttpServer):
    def start(self, ready: Any = None) -> None:
        super().start(ready or (lambda: self.get("/metrics")))  # it has no /ready

    def merged(self, selector: str, from_s: float, until_s: float) -> bytes:
        """All profiles that fit, as one pprof, gzipped. Unix time."""
        merge = {
            "merge.query": selector,
            "merge.start": rfc3339(from_s),
            "merge.end": rfc3339(until_s),
        }
        what = {"mode": "MODE_MERGE", "report_type": "REPORT_TYPE_PPROF"}
        return base64.b64decode(self._ask("query", **what, **merge)["pprof"])

    def sums(self, selector: str, from_s: float, until_s: float) -> list[int]:
        """What each profile that fits sums up to, in the order of time."""
        # Without a step it adds all of them up.
        times = {"start": rfc3339(from_s), "end": rfc3339(until_s), "step": "1s"}
        series = self._ask("query_range", query=selector, **times)["series"]
        samples = [sample for one in series for sample in one["samples"]]
        samples.sort(key=lambda it: it["timestamp"])
        return [int(it["value"]) for it in samples]

    def _ask(self, what: str, **query: str) -> Any:
        return self.get(f"/api/profiles/{what}?{urlencode(query)}")


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@contextmanager
def parca(folder: Path) -> Iterator[ParcaServer]:
    folder.mkdir(parents=True)
    port = free_port()
    (folder / "parca.yaml").write_text(
        "object_storage:\n  bucket:\n    type: FILESYSTEM\n"
        f"    config: {{directory: {folder}/data}}\n"
    )
    command = [
        str(program("parca")),
        f"--config-path={folder}/parca.yaml",
        f"--http-address=127.0.0.1:{port}",
        f"--storage-path={folder}/store",
    ]
    with running(ParcaServer(command, port, folder / "parca.log")) as server:
        yield server
