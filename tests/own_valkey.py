"""The Valkey that `upshift serve --data` brings along, as seen from outside."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from servers import eventually


def valkeys(folder: Path) -> list[int]:
    """The processes over `folder`, found by where they work; a zombie works nowhere."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
    return found


def announced(log: Path) -> str:
    """The URL that the newest start told agents; it is ready a moment before it says so."""

    def urls() -> list[str]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line["redis_for_agents"] for line in lines if "redis_for_agents" in line]

    return str(eventually(urls)[-1])
