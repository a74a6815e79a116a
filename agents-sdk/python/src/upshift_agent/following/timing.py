"""How long following waits for what, in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import random

RESYNC_S = 30.0  # between snapshots, about
PAUSE_S = 0.2  # between snapshots at least, whatever is pushed
VISIT_S = 300.0  # between looks at other servers of a cluster: all agents look at the fleet's
TIMEOUT_S = 5.0  # for connecting, and for any answer
PING_S = 10.0  # silence on the subscription before it is asked whether it lives
LONGEST_BACKOFF_S = 3.0
LASTING_S = 10.0  # a session that ends sooner was part of the outage before it
SETTLE_S = 0.02  # a quick driver's "applying" and "applied" go out as one report
AGENTS_TTL_S = 24 * 60 * 60
FAREWELL_S = 0.2


def about(seconds: float) -> float:
    """± a fifth, so that a fleet does not act in step."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # only jitter


async def wait(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for the event, for `timeout_s` at the longest."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()
