"""OpAMP's messages, as much of them as the bridge needs. Pure.

By hand, because the one package that has them brings protobuf, requests and OpenTelemetry's API, is
a beta and keeps them private. Whatever arrives is a `Report` or one `ValueError`: a supervisor may
send anything.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from upshift_host.profiles.protobuf import block, fields, number

MAX_ITEMS = 256  # attributes of one, or files of its configuration; the rest is left out
MAX_FIELDS = 20_000
MAX_ERROR = 2000  # bytes of what a collector says of itself

#: Of an agent.
ACCEPTS_REMOTE_CONFIG = 0x2
#: Of ours: it takes statuses and effective configurations, and offers remote configuration.
_CAPABILITIES = 0x1 | 0x2 | 0x4
_REPORT_FULL_STATE = 1
_UNSET, _APPLIED, _APPLYING, _FAILED = range(4)

_fields = partial(fields, most=MAX_FIELDS)

ConfigState = Literal["applied", "applying", "failed"]
_STATES: Mapping[int, ConfigState] = {
    _APPLIED: "applied",
    _APPLYING: "applying",
    _FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """What became of the remote configuration with that hash."""

    hash: bytes
    state: ConfigState
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one message says. None, and an empty mapping, for what it says nothing of.

    attributes: its description, what identifies it before the rest. effective: file → content.
    """

    uid: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    capabilities: int = 0
    healthy: bool | None = None
    health_error: str = ""
    effective: Mapping[str, bytes] | None = None
    status: ConfigStatus | None = None
    leaves: bool = False


def read(message: bytes) -> Report:
    """AgentToServer, as it comes by WebSocket. Raise `ValueError` for what is none."""
    if message[:1] == b"\0":  # the header; before 2023 there was none
        message = message[1:]
    uid, capabilities, leaves = b"", 0, False
    attributes: dict[str, str] = {}
    healthy: bool | None = None
    health_error = ""
    effective: dict[str, bytes] | None = None
    status: ConfigStatus | None = None
    for number_, value in _fields(message):
        if isinstance(value, int):
            if number_ == 4:
                capabilities = value
        elif number_ == 1:
            uid = value
        elif number_ == 3:
            attributes = _description(value)
        elif number_ == 5:
            healthy, health_error = _health(value)
        elif number_ == 6:
            effective = _effective(value)
        elif number_ == 7:
            status = _status(value)
        elif number_ == 9:
            leaves = True
    if len(uid) != 16:
        raise ValueError(f"its instance_uid has {len(uid)} bytes, not 16")
    return Report(
        uid=uid,
        attributes=attributes,
        capabilities=capabilities,
        healthy=healthy,
        health_error=health_error,
        effective=effective,
        status=status,
        leaves=leaves,
    )


def offer(uid: bytes, files: Mapping[str, bytes], hash_: bytes) -> bytes:
    """ServerToAgent with that remote configuration."""
    entries = b"".join(
        block(1, block(1, name.encode()) + block(2, block(1, body) + block(2, b"text/yaml")))
        for name, body in files.items()
    )
    return _to_agent(uid, block(3, block(1, entries) + block(2, hash_)))


def ask_for_all(uid: bytes) -> bytes:
    """ServerToAgent that asks for what an agent says only once."""
    return _to_agent(uid, number(6, _REPORT_FULL_STATE))


def refuse(uid: bytes, why: str) -> bytes:
    """ServerToAgent with an error: a bad request."""
    return _to_agent(uid, block(2, number(1, 1) + block(2, why.encode())))


def _to_agent(uid: bytes, content: bytes) -> bytes:
    return b"\0" + block(1, uid) + content + number(7, _CAPABILITIES)


def _blocks(message: bytes, wanted: int) -> Iterator[bytes]:
    left = MAX_ITEMS
    for number_, value in _fields(message):
        if number_ == wanted and isinstance(value, bytes) and left:
            left -= 1
            yield value


def _last(message: bytes, wanted: int) -> bytes:
    found = b""
    for number_, value in _fields(message):
        if number_ == wanted and isinstance(value, bytes):
            found = value
    return found


def _description(message: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for which in (1, 2):  # identifying, and not
        for entry in _blocks(message, which):
            value = _any(_last(entry, 2))
            if value is not None:
                found.setdefault(_text(_last(entry, 1)), value)
    return found


def _any(message: bytes) -> str | None:
    """An AnyValue as text; None for lists and the like."""
    found: str | None = None
    for number_, value in _fields(message):
        if isinstance(value, bytes):
            if number_ == 1:
                found = _text(value)
            elif number_ == 4 and len(value) == 8:
                found = repr(struct.unpack("<d", value)[0])
        elif number_ == 2:
            found = "true" if value else "false"
        elif number_ == 3:
            found = str(value - (1 << 64) if value >> 63 else value)
    return found


def _health(message: bytes) -> tuple[bool, str]:
    healthy, error = False, b""
    for number_, value in _fields(message):
        if number_ == 1 and isinstance(value, int):
            healthy = bool(value)
        elif number_ == 3 and isinstance(value, bytes):
            error = value
    return healthy, _text(error[:MAX_ERROR])


def _effective(message: bytes) -> dict[str, bytes]:
    entries = _blocks(_last(message, 1), 1)
    return {_text(_last(entry, 1)): _last(_last(entry, 2), 1) for entry in entries}


def _status(message: bytes) -> ConfigStatus | None:
    hash_, state, error = b"", _UNSET, b""
    for number_, value in _fields(message):
        if number_ == 2 and isinstance(value, int):
            state = value
        elif number_ == 1 and isinstance(value, bytes):
            hash_ = value
        elif number_ == 3 and isinstance(value, bytes):
            error = value
    known = _STATES.get(state)
    return None if known is None else ConfigStatus(hash_, known, _text(error[:MAX_ERROR]))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
