"""Break glass: the controller's own way from an override to a commit, with no controller running.

Neither rules nor limits of any `upshift.yaml` apply: a file that is wrong must not be in the way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from upshift_agent.contract import FLEET

from ..configuration import InForce, built_in
from ..core import Core
from ..leasing.overrides import Overrides
from ..sections.limits import NO_LIMITS
from ..storage.unreadable import Unreadable


@asynccontextmanager
async def overrides_in(
    redis_url: str, target: str | None, *, namespace: str, secret_file: Path | None
) -> AsyncIterator[Overrides]:
    """`Overrides` straight over Redis. `target` is what will be changed, where that is known.

    Raise `StartRefused` for what cannot be read here, `Refused` where other secrets are in use.
    """
    configuration = built_in(
        redis=redis_url,
        namespace=namespace,
        secret_file=secret_file and str(secret_file),
        limits=NO_LIMITS,
    )
    core = Core(InForce(configuration), redis_url, Unreadable(), starts_afresh=False)
    async with core.committing():
        await core.store.read({FLEET, target or FLEET})
        yield core.overrides
