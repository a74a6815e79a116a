"""For people who test their own agents and drivers: a driver that remembers, a controller to hand.

driver = RecordingDriver()
with Agent(redis_url=url, service="checkout", driver=driver):
    FakeController(url).boost("service/checkout", hz=100, for_s=60)
    driver.wait_for(100)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from redis import Redis

from .contract import (
    CPU,
    DEFAULT_NAMESPACE,
    Baseline,
    Cause,
    Keys,
    Kind,
    Lease,
    Plan,
    Profile,
    Status,
    Where,
    decode_status,
    encode_plan,
)
from .contract.resolve import Decision


class RecordingDriver:
    """Remembers every decision. Set `error` to make it fail, clear `returns` to make it hang.

    `decisions` and what comes of them are cpu's, or of the first of `profiles`; `applied` has all.
    It has no `close`, so that its last decision is what an agent leaves behind.
    """

    name = "recording"

    def __init__(
        self, achieved_hz: float | None = None, profiles: tuple[Profile, ...] = (CPU,)
    ) -> None:
        self.profiles = profiles
        self.applied: list[Mapping[Profile, Decision]] = []
        self.decisions: list[Decision] = []
        self.called_at: list[float] = []  # of time.monotonic()
        self.achieved_hz = achieved_hz
        self.error: Exception | None = None
        self.returns = threading.Event()
        self.returns.set()
        self._called = threading.Condition()

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        with self._called:
            self.applied.append(decisions)
            self.decisions.append(decisions[self.profiles[0]])
            self.called_at.append(time.monotonic())
            self._called.notify_all()
        self.returns.wait()
        if self.error is not None:
            raise self.error
        return None if self.achieved_hz is None else {self.profiles[0]: self.achieved_hz}

    @property
    def frequencies(self) -> list[int]:
        return [decision.hz for decision in self.decisions]

    def wait_for(self, hz: int, timeout_s: float = 10.0) -> Decision:
        """Wait until the newest decision asks for `hz`, and return it. Raise `AssertionError`."""
        with self._called:
            if self._called.wait_for(lambda: self.frequencies[-1:] == [hz], timeout_s):
                return self.decisions[-1]
        raise AssertionError(f"no {hz} Hz within {timeout_s} s; asked for: {self.frequencies}")


class FakeController:
    """Publishes plans as the controller does, without rules, budgets or anybody else's changes."""

    def __init__(
        self, redis_url: str, namespace: str = DEFAULT_NAMESPACE, secret: bytes | None = None
    ) -> None:
        self._redis = Redis.from_url(redis_url)
        self._keys = Keys(namespace)
        self._secret = secret
        self._plans: dict[str, Plan] = {}
        self._ids = 0

    def close(self) -> None:
        self._redis.close()

    def boost(self, target: str, *, hz: int, for_s: float, where: Where | None = None) -> str:
        """Add a boost, and return its id."""
        return self.add(target, "boost", hz=hz, for_s=for_s, where=where)

    def add(
        self,
        target: str,
        kind: Kind,
        *,
        hz: int,
        for_s: float,
        where: Where | None = None,
        profile: str = CPU,
        because: Mapping[str, Any] | None = None,
        publish: bool = True,
    ) -> str:
        """Add a lease, and return its id. Without `publish` only the next snapshot holds it."""
        now_ms = self.now_ms()
        self._ids += 1
        lease = Lease(
            id=f"{kind}/{self._ids:08x}",
            kind=kind,
            hz=hz,
            since_ms=now_ms,
            expires_at_ms=now_ms + int(for_s * 1000),
            where=where or {},
            profile=profile,
            cause=Cause(because or {"by": "test"}),
        )
        plan = self._plan(target)
        self.commit(replace(plan, leases=(*plan.leases, lease)), publish=publish)
        return lease.id

    def release(self, target: str, lease_id: str | None = None) -> None:
        """End one lease of a target, or all."""
        plan = self._plan(target)
        left = [lease for lease in plan.leases if lease_id and lease.id != lease_id]
        self.commit(replace(plan, leases=tuple(left)))

    def set_baseline(
        self, default: int, *, profiles: Mapping[str, int] | None = None, **environments: int
    ) -> None:
        """The fleet's baseline, in Hz (of `heap`, snapshots an hour)."""
        baseline = Baseline(default, environments, profiles or {})
        self.commit(replace(self._plan("fleet"), baseline=baseline))

    def commit(self, plan: Plan, *, publish: bool = True) -> None:
        """Write a plan at a new revision."""
        seconds, micros = self._redis.time()
        known = self._plans.get(plan.target)
        micros += seconds * 1_000_000
        rev = micros if known is None else max(known.rev + 1, micros)
        plan = self._plans[plan.target] = replace(plan, rev=rev, now_ms=micros // 1000)
        message = encode_plan(plan, self._secret)
        self._redis.set(self._keys.plan(plan.target), message)
        if publish:
            self._redis.publish(self._keys.changes(plan.target), message)

    def publish_raw(self, target: str, message: str | bytes) -> None:
        """Push anything at all, and keep nothing."""
        self._redis.publish(self._keys.changes(target), message)

    def statuses(self, target: str) -> dict[str, Status]:
        """What the agents of a target report, by the field that they report under."""
        found: Mapping[Any, Any] = self._redis.hgetall(self._keys.agents(target))
        return {field.decode(): decode_status(status) for field, status in found.items()}

    def now_ms(self) -> int:
        seconds, micros = self._redis.time()
        return seconds * 1000 + micros // 1000

    def _plan(self, target: str) -> Plan:
        return self._plans.get(target) or Plan(target=target, rev=0, now_ms=0)
