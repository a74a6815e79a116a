"""What an encoder makes of a window and a connection sends. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST. path: below the backend's URL, with its query."""

    path: str
    content_type: str
    body: bytes
