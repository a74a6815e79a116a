"""Whether the servers that the configuration names answer."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Mapping

from upshift_agent.contract import FLEET, Keys
from upshift_agent.following.connect import Servers

from ..said import describe

TIMEOUT_S = 3.0


def redis(url: str, namespace: str) -> str | None:
    """None if the fleet's plan can be read there, as agents do; else why not, in one line."""

    async def read() -> None:
        key = Keys(namespace).plan(FLEET)
        async with asyncio.timeout(TIMEOUT_S), Servers(url).holding(key, TIMEOUT_S) as client:
            await client.get(key)

    try:
        asyncio.run(read())
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:.0f} s"
    except Exception as error:  # noqa: BLE001  # whatever a network does
        return describe(error)
    return None


def http(url: str, headers: Mapping[str, str]) -> str | None:
    """None if anything speaks HTTP there; a page that is not found will do."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # http(s) only: see `HttpUrl`
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310  # the same
            return None
    except urllib.error.HTTPError as error:
        refused = error.code in (401, 403)
        return f"it refuses us: {error.code} {error.reason}" if refused else None
    except urllib.error.URLError as error:
        why = error.reason
        return describe(why if isinstance(why, Exception) else error)
    except Exception as error:  # noqa: BLE001  # whatever a network does
        return describe(error)
