"""Many agents on one event loop: each has a subscription, plans and decisions of the SDK's own.

    python crowd.py REDIS_URL SERVICE COUNT

What an `Agent` adds are its two threads; a thousand times two of them would measure the scheduler
of one machine, and agents have a machine each. Says when the last driver was called.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from upshift_agent.contract import INSTANCE, Baseline, Keys, Requested, Status, encode_status
from upshift_agent.contract.resolve import Decision, resolve
from upshift_agent.following.plans import Plans
from upshift_agent.following.subscription import Subscription

#: So many connect at a time: a thousand would wait for each other until they give up.
TOGETHER = 50


class Follower:
    def __init__(
        self, url: str, service: str, instance: str, driver: Callable[[Decision], None]
    ) -> None:
        self._attributes = {
            "service.name": service,
            "deployment.environment.name": "production",
            INSTANCE: instance,
        }
        self._driver = driver
        targets = (f"service/{service}", "fleet")
        self._plans = Plans(targets)
        self._decision = Decision(hz=19)
        self.subscription = Subscription(
            url, Keys(), targets, hear=self._hear, read=self._read, report=self._report
        )

    def _hear(self, target: str, message: bytes) -> None:
        if self._plans.take(target, message) is not None:
            self._decide()

    def _read(self, plans: dict[str, bytes], *_: float) -> None:
        for target, message in plans.items():
            self._plans.take(target, message)
        self._decide()

    def _decide(self) -> None:
        now_ms = int(time.time() * 1000)
        decision = resolve(self._plans.known, self._attributes, Baseline(19), None, now_ms)
        if decision.hz != self._decision.hz:
            self._driver(decision)
        self._decision = decision
        self.subscription.report_soon()

    def _report(self) -> tuple[str, str, int]:
        now_ms, revs = int(time.time() * 1000), self._plans.revs
        status = Status(
            instance=self._attributes[INSTANCE],
            attributes=self._attributes,
            driver="none",
            at_ms=now_ms,
            state="applied",
            since_ms=now_ms,
            requested=Requested(hz=self._decision.hz, revs=revs, reason=self._decision.reason),
        )
        return f"{self._attributes[INSTANCE]}/1", encode_status(status), now_ms


async def main(url: str, service: str, count: int) -> None:
    called = 0

    def driver(_: Decision) -> None:
        nonlocal called
        called += 1
        if called % count == 0:
            print(time.monotonic_ns())

    followers = [Follower(url, service, f"{service}-{n}", driver) for n in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for start in range(0, count, TOGETHER):
            wave = followers[start : start + TOGETHER]
            for follower in wave:
                tasks.create_task(follower.subscription.run())
            while not all(it.subscription.connected for it in wave):  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.01)
        print("ready")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
