"""Whom somebody else's agent says that it is → attributes that leases can ask for. Pure.

What it says may be anything: huge, empty, of control characters.
"""

from __future__ import annotations

from collections.abc import Mapping

from upshift_agent.contract import AGENT, PID, STARTED, one_line

SERVICE = "service.name"
MAX_ATTRIBUTES = 64
MAX_KEY = 100  # bytes of UTF-8
#: Of a service or a host targets are made, of at most 256 bytes with `service/`.
MAX_VALUE = 240  # bytes of UTF-8
#: Which are the SDK's to say.
_OURS = (AGENT, PID, STARTED)


def attributes(said: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """`said` made plain and bounded, and of `others` what it leaves out."""
    found: dict[str, str] = {}
    for key, value in (*said.items(), *others.items()):
        key, value = _short(key, MAX_KEY), _short(value, MAX_VALUE)
        if key and value and key not in _OURS and len(found) < MAX_ATTRIBUTES:
            found.setdefault(key, value)
    return found


def service(found: Mapping[str, str]) -> str | None:
    return found.get(SERVICE)


def _short(text: str, most: int) -> str:
    """As many of its characters as fit."""
    return one_line(text, most).encode()[:most].decode("utf-8", "ignore").strip()
