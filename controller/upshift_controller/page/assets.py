"""The page's own script and style, by names that change with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    name: str
    url: str
    type: str
    content: bytes


def assets(folder: Path) -> dict[str, Asset]:
    """By the last part of their URLs, in which a browser may keep them for ever."""
    found = {}
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:12]
        name = f"{file.stem}.{digest}{file.suffix}"
        found[name] = Asset(file.name, f"/static/{name}", TYPES[file.suffix], content)
    return found
