"""Many agents on one event loop: members of the SDK's own follower, with decisions of their own.

    python crowd.py REDIS_URL SERVICE COUNT

What an `Agent` adds is the thread of its driver; a thousand of them would measure the scheduler
of one machine. Says when the last driver was called.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from upshift_agent.contract import (
    CPU,
    DEFAULT_NAMESPACE,
    FLEET,
    INSTANCE,
    Baseline,
    Requested,
    Status,
    Wanted,
    encode_status,
)
from upshift_agent.contract.resolve import Decision, resolve
from upshift_agent.following.follower import Follower


class Member:
    def __init__(
        self, follower: Follower, service: str, instance: str, driver: Callable[[Decision], None]
    ) -> None:
        self.home = f"service/{service}"
        self.targets = (self.home, FLEET)
        self.field = f"{instance}/1"
        self._attributes = {
            "service.name": service,
            "deployment.environment.name": "production",
            INSTANCE: instance,
        }
        self._follower = follower
        self._driver = driver
        self._decision = Decision(hz=19)

    def plans_changed(self) -> None:
        known, now_ms = self._follower.plans.known(self.targets), self._follower.now_ms()
        decision = resolve(known, self._attributes, Baseline(19), None, now_ms)
        if decision.hz != self._decision.hz:
            self._driver(decision)
        self._decision = decision
        self.refresh()

    def refresh(self) -> None:
        self._follower.report_soon(self)

    def report(self) -> tuple[str, int]:
        now_ms, revs = self._follower.now_ms(), self._follower.plans.revs(self.targets)
        wanted = Wanted(hz=self._decision.hz, reason=self._decision.reason)
        status = Status(
            instance=self._attributes[INSTANCE],
            attributes=self._attributes,
            driver="none",
            at_ms=now_ms,
            state="applied",
            since_ms=now_ms,
            requested=Requested(revs=revs, profiles={CPU: wanted}),
        )
        return encode_status(status), now_ms


async def main(url: str, service: str, count: int) -> None:
    called = 0

    def driver(_: Decision) -> None:
        nonlocal called
        called += 1
        if called % count == 0:
            print(time.monotonic_ns())

    follower = Follower(url, DEFAULT_NAMESPACE, (), FLEET)
    for number in range(count):
        follower.join(Member(follower, service, f"{service}-{number}", driver))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follower.run(lambda: None, asyncio.Event()))
        while not follower.follows((f"service/{service}", FLEET)):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.01)
        print("ready")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
