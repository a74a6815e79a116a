"""Schedules of controllers that run: on virtual time, and over a real Valkey."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from controller.conftest import Running as Upshift
from controller.conftest import Start
from controller.sources.schedules.test_windows import MINUTE_MS, NOON_MS, a_schedule
from upshift_controller.errors import Unavailable
from upshift_controller.sources.schedules.running import LOOK_S, Running
from upshift_controller.views import models
from upshift_controller.views.schedules import Schedules
from upshift_rules.leases.changes import Change, Entry
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import revised, transition
from upshift_rules.model import Outcome, Schedule

DAY_MS = 24 * 60 * MINUTE_MS
#: Open from midnight to midnight, so at any time that a test runs.
ALL_DAY = """
sampling:
  schedules:
    - {name: all_day, cron: 0 0 * * *, target: service/billing, frequency: 97, duration: 1d}
"""


@dataclass
class Redis:
    """What controllers share, on virtual time."""

    now_ms: int = NOON_MS
    states: dict[str, TargetState] = field(default_factory=dict)
    history: list[Entry] = field(default_factory=list)
    away: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def time(self) -> int:
        if self.away:
            raise Unavailable("it is away")
        return self.now_ms

    async def apply(
        self, wanted: Mapping[str, Sequence[Change]]
    ) -> Mapping[str, Sequence[Outcome]]:
        outcomes = {}
        for target, changes in wanted.items():
            before = self.states.get(target) or TargetState(target=target)
            step = transition(before, changes, self.now_ms)
            if step.state is not before:
                self.states[target] = revised(before, step.state, self.now_ms * 1000)
            self.history += step.entries
            outcomes[target] = step.outcomes
        self.asked.set()
        return outcomes

    def controller(self, *schedules: Schedule) -> Running:
        return Running(lambda: schedules, self.time, self.apply)

    @property
    def events(self) -> list[str]:
        return [it.event for it in self.history]


async def passes(redis: Redis, controller: Running, until_ms: int) -> None:
    """A controller looks when it said that it would, until then."""
    while redis.now_ms < until_ms:
        wait_s = await controller.look()
        assert wait_s is not None
        assert 0 < wait_s <= LOOK_S
        redis.now_ms = min(until_ms, redis.now_ms + round(wait_s * 1000))


async def test_leases_begin_and_end_with_their_windows() -> None:
    redis = Redis()
    controller = redis.controller(a_schedule("30 * * * *", 10))
    await passes(redis, controller, NOON_MS + 3 * 60 * MINUTE_MS)
    granted = [it.lease for it in redis.history if it.event == "granted" and it.lease]
    assert [it.since_ms - NOON_MS for it in granted] == [
        minutes * MINUTE_MS for minutes in (30, 90, 150)
    ]
    assert {it.expires_at_ms - it.since_ms for it in granted} == {10 * MINUTE_MS}


async def test_a_controller_that_was_away_grants_what_is_left_of_a_window() -> None:
    redis = Redis(now_ms=NOON_MS + 37 * MINUTE_MS)
    await redis.controller(a_schedule("30 * * * *", 10)).look()
    (lease,) = redis.states["service/billing"].leases
    assert lease.expires_at_ms == NOON_MS + 40 * MINUTE_MS


async def test_three_controllers_in_any_order_grant_once() -> None:
    redis = Redis()
    controllers = [redis.controller(a_schedule("30 * * * *", 10)) for _ in range(3)]
    for minute in range(40):
        redis.now_ms = NOON_MS + minute * MINUTE_MS
        for controller in controllers[minute % 3 :] + controllers[: minute % 3]:
            await controller.look()
    assert redis.events == ["granted"]


async def test_a_clock_that_is_set_back_is_noticed() -> None:
    redis = Redis(now_ms=NOON_MS + 31 * MINUTE_MS)
    controller = redis.controller(a_schedule("30 * * * *", 10))
    await controller.look()
    redis.states.clear()
    redis.now_ms -= 60 * MINUTE_MS  # 11:31, a window too
    await controller.look()
    redis.states.clear()
    redis.now_ms -= 20 * MINUTE_MS  # 11:11, none
    assert await controller.look() == LOOK_S
    assert redis.states == {}


async def test_without_schedules_redis_is_not_even_asked() -> None:
    redis = Redis(away=True)
    assert await redis.controller().look() is None


async def test_while_redis_is_away_nothing_ends_and_it_goes_on_when_it_is_back() -> None:
    redis = Redis(away=True, now_ms=NOON_MS + 31 * MINUTE_MS)
    controller = redis.controller(a_schedule("30 * * * *", 10))
    running = asyncio.create_task(controller.run())
    await asyncio.sleep(0)
    redis.away = False
    controller.reloaded()
    await redis.asked.wait()
    running.cancel()
    assert redis.events == ["granted"]


async def test_250_schedules_for_700_targets_are_asked_for_in_parts() -> None:
    redis = Redis(now_ms=NOON_MS + 31 * MINUTE_MS)
    targets = tuple(f"service/{number}" for number in range(700))
    several = [a_schedule("30 * * * *", 10, name=f"s{number}") for number in range(3)]
    await redis.controller(*(replace(it, targets=targets) for it in several)).look()
    assert len(redis.states) == 700
    assert {len(it.leases) for it in redis.states.values()} == {3}


# Over a real Valkey


async def test_what_is_due_at_the_start_runs_until_its_window_ends(start: Start) -> None:
    async with start(ALL_DAY) as upshift:
        await upshift.controller.scheduler.look()
        (lease,) = await upshift.leases("service/billing")
        assert (lease["kind"], lease["hz"]) == ("boost", 97)
        assert lease["expires_at_ms"] % DAY_MS == 0
        assert lease["reason"].endswith("schedule all_day")
        assert await upshift.history("service/billing") == ["granted"]


async def test_three_controllers_at_once_grant_once_and_a_restart_grants_nothing(
    start: Start,
) -> None:
    async with AsyncExitStack() as stack:
        three = [await stack.enter_async_context(start(ALL_DAY)) for _ in range(3)]
        await asyncio.gather(*(it.controller.scheduler.look() for it in three for _ in range(5)))
        assert await three[0].history("service/billing") == ["granted"]
    async with start(ALL_DAY) as upshift:
        await upshift.controller.scheduler.look()
        assert await upshift.history("service/billing") == ["granted"]


async def test_what_is_released_stays_released_and_what_redis_lost_is_granted_again(
    start: Start,
) -> None:
    async with start(ALL_DAY) as upshift:
        await upshift.controller.scheduler.look()
        await upshift.ask("DELETE", "/api/v1/targets/service/billing/leases?by=ann")
        await upshift.controller.scheduler.look()
        assert await upshift.leases("service/billing") == []
        upshift.redis.flushall()
        await upshift.controller.scheduler.look()
        assert len(await upshift.leases("service/billing")) == 1


async def test_a_reload_puts_a_change_freeze_in_force(start: Start, tmp_path: Path) -> None:
    async with start(ALL_DAY) as upshift:
        await upshift.controller.scheduler.look()
        freeze = (
            "{name: freeze, cron: 0 0 * * *, target: fleet, kind: cap, frequency: 0, duration: 1d}"
        )
        (tmp_path / "upshift.yaml").write_text(f"sampling: {{schedules: [{freeze}]}}\n")
        await upshift.controller.reload()
        await upshift.controller.scheduler.look()
        capped = [it for it in await upshift.leases("fleet") if it["kind"] == "cap"]
        assert [(it["hz"], it["profile"]) for it in capped] == [(0, "all")]
        assert len(await upshift.leases("service/billing")) == 2  # what ran runs on, capped


async def test_the_api_shows_the_open_window_and_the_next_ones(start: Start) -> None:
    async with start(ALL_DAY) as upshift:
        answer = await upshift.ask("GET", "/api/v1/schedules?next=3")
        (row,) = Schedules.model_validate(answer.body).schedules
        assert row.open is not None
        assert row.open.ends_at_ms == row.next[0].starts_at_ms
        assert [it.ends_at_ms - it.starts_at_ms for it in row.next] == [DAY_MS] * 3
        assert row.next[0].local.endswith("T00:00:00+00:00")


@pytest.mark.parametrize("count", ["0", "21", "x"])
async def test_a_wrong_number_of_windows_is_refused(upshift: Upshift, count: str) -> None:
    answer = await upshift.ask("GET", "/api/v1/schedules", params={"next": count})
    assert answer.status in (400, 422)
    models.ProblemView.model_validate(answer.body)
