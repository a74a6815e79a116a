"""The Redis side of the limits: the fleet's budget, one document, compared and set.

It stands in a slot of its own, so in a Redis Cluster it cannot be part of a target's commit.
"""

from __future__ import annotations

import hashlib

from upshift_agent.contract import Keys
from upshift_rules.leases.limiting.reservations import Budget, ends_ms
from upshift_rules.leases.stored import decode_budget, encode_budget

from ..leasing.ports import Stored
from .batch import guarded
from .connect import Servers
from .unreadable import Unreadable

#: Sets a key, for so many ms, if it still holds what has this SHA-1 (none: nothing): 0 or 1.
REPLACE = """
local stored = redis.pcall('GET', KEYS[1])
stored = type(stored) == 'string' and stored
if (stored and redis.sha1hex(stored) or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RedisBudgets:
    def __init__(self, servers: Servers, keys: Keys, unreadable: Unreadable | None = None) -> None:
        self._unreadable = unreadable or Unreadable()
        self._servers = servers
        self._key = keys.budget

    async def read(self) -> Stored:
        with guarded():
            batch = await self._servers.batch()
            batch.on(self._key).get(self._key)
            answers = await batch.execute(raise_on_error=False)
            (stored,) = self._unreadable.values([self._key], answers)
        if stored is None:
            return Stored({}, "")
        version = hashlib.sha1(stored, usedforsecurity=False).hexdigest()
        try:
            return Stored(decode_budget(stored), version)
        except (TypeError, ValueError) as error:
            # Somebody else wrote there. As with states: starting afresh beats standing still.
            self._unreadable.tell("budget", self._key, repr(error))
            return Stored({}, version)

    async def replace(self, before: Stored, budget: Budget, now_ms: int) -> bool:
        with guarded():
            lasts_ms = max(1, ends_ms(budget) - now_ms)
            batch = await self._servers.batch()
            batch.on(self._key).eval(
                REPLACE, 1, self._key, before.version, encode_budget(budget), str(lasts_ms)
            )
            batch.await_replicas()
            (taken,) = await batch.execute()
        return bool(taken)
