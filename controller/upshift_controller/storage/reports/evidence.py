"""Reports of what boosts brought, the newest ones of each target."""

from __future__ import annotations

import json
import zlib
from typing import Any

from upshift_agent.contract import Keys

from ..batch import guarded
from ..connect import Servers
from ..unreadable import Unreadable

#: Of each target, some 10 kB each.
KEPT = 10
KEPT_MS = 30 * 24 * 3600 * 1000
#: What one unpacks to; reports are some 50 kB.
MAX_BYTES = 4 * 1024 * 1024


class Evidence:
    def __init__(self, servers: Servers, keys: Keys, unreadable: Unreadable) -> None:
        self._servers = servers
        self._keys = keys
        self._unreadable = unreadable

    async def keep(self, target: str, report: dict[str, Any]) -> None:
        """One round trip. Raise `Unavailable`."""
        key = self._keys.evidence(target)
        data = zlib.compress(json.dumps(report).encode())
        with guarded():
            batch = await self._servers.batch()
            batch.on(key).xadd(key, {"report": data}, maxlen=KEPT, approximate=False)
            batch.on(key).pexpire(key, KEPT_MS)
            self._unreadable.values([key, key], await batch.execute(raise_on_error=False))

    async def newest(self, target: str) -> list[dict[str, Any]]:
        """Newest first. One round trip. Raise `Unavailable`."""
        key = self._keys.evidence(target)
        with guarded():
            batch = await self._servers.batch()
            batch.on(key).xrevrange(key, count=KEPT)
            (rows,) = self._unreadable.values([key], await batch.execute(raise_on_error=False))
        found = []
        for _, fields in rows or ():
            try:
                report = json.loads(_unpacked(fields[b"report"]))
            except (LookupError, ValueError, RecursionError, zlib.error) as error:
                self._unreadable.tell("evidence", target, repr(error))
            else:
                found.append(report)
        return found


def _unpacked(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    plain = stream.decompress(data, MAX_BYTES)
    if not stream.eof:
        raise ValueError(f"cut off, or more than {MAX_BYTES} bytes")
    return plain
