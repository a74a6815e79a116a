"""Whom somebody else's agent says that it is → attributes that leases can ask for. Pure.

What it says may be anything: huge, empty, of control characters.
"""

from __future__ import annotations

from collections.abc import Mapping

from upshift_agent.contract import AGENT, PID, STARTED, one_line

SERVICE = "service.name"
MAX_ATTRIBUTES = 64
MAX_KEY, MAX_VALUE = 100, 200  # characters
#: Of a service or a host, which targets are made of: in UTF-8, at most 256 bytes with `service/`.
MAX_NAME_BYTES = 240
#: Which are the SDK's to say.
_OURS = (AGENT, PID, STARTED)


def attributes(said: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """`said` made plain and bounded, and of `others` what it leaves out."""
    found: dict[str, str] = {}
    for key, value in (*said.items(), *others.items()):
        key, value = one_line(key, MAX_KEY).strip(), one_line(value, MAX_VALUE).strip()
        if key and value and key not in _OURS and len(found) < MAX_ATTRIBUTES:
            found.setdefault(key, short(value))
    return found


def service(found: Mapping[str, str]) -> str | None:
    return found.get(SERVICE)


def short(value: str) -> str:
    """As many of its characters as a target has room for."""
    return value.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore").strip()
