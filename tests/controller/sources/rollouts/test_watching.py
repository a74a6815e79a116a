"""Controllers that look at the same versions tell the same rollouts, and none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sources.rollouts.versions import MINUTE, SECOND, Index, Kept
from upshift_controller.errors import Unavailable
from upshift_controller.sources.rollouts.watching import Reported, Rollouts
from upshift_rules.model import Trigger


@dataclass
class Told:
    """Takes triggers, unless Redis is away."""

    triggers: list[Trigger] = field(default_factory=list)
    away: bool = False
    wanted: bool = True

    async def fire(self, triggers: Sequence[Trigger]) -> None:
        if self.away:
            raise Unavailable("away")
        self.triggers += triggers

    @property
    def episodes(self) -> set[tuple[str, int]]:
        """One boost each, whoever tells of it."""
        return {(it.labels["version"], it.starts_at_ms) for it in self.triggers}


def controllers(index: Index, count: int) -> tuple[list[Rollouts], Told, Kept]:
    told, kept = Told(), Kept(index)
    several = [Rollouts(kept, lambda: told.wanted, told.fire) for _ in range(count)]
    return several, told, kept


async def looks(index: Index, several: Sequence[Rollouts], ms: int) -> None:
    end_ms = index.now_ms + ms
    while index.now_ms < end_ms:
        index.passes(2 * SECOND)
        for it in several:
            await it.look()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40))
async def test_three_controllers_in_any_order_tell_one_episode(turns: list[int]) -> None:
    index = Index()
    several, told, _ = controllers(index, 3)
    index.starts("1")
    await looks(index, several, MINUTE)
    index.starts("2")
    for turn in turns:
        index.passes(SECOND)
        await several[turn].look()
    await looks(index, several, MINUTE)
    assert {version for version, _ in told.episodes} == {"2"}
    assert len(told.episodes) == 1


async def test_a_rollout_that_could_not_be_granted_is_told_again() -> None:
    index = Index()
    (one,), told, _ = controllers(index, 1)
    index.starts("1")
    await looks(index, [one], MINUTE)
    index.starts("2")
    told.away = True
    with pytest.raises(Unavailable):
        await one.look()
    told.away = False
    await looks(index, [one], 10 * SECOND)
    assert len(told.episodes) == 1


async def test_a_controller_that_dies_before_it_tells_leaves_that_to_another() -> None:
    index = Index()
    (one, two), told, _ = controllers(index, 2)
    index.starts("1")
    await looks(index, [one, two], MINUTE)
    index.starts("2")
    told.away = True
    with pytest.raises(Unavailable):
        await one.look()
    told.away = False
    await looks(index, [two], 10 * SECOND)
    assert len(told.episodes) == 1


async def test_a_controller_that_restarts_forgets_nothing() -> None:
    index = Index()
    (one,), told, kept = controllers(index, 1)
    index.starts("1")
    await looks(index, [one], MINUTE)
    index.starts("2")
    index.stops("1")
    await looks(index, [one], MINUTE)
    again = Rollouts(kept, lambda: True, told.fire)
    await looks(index, [again], MINUTE)
    assert len(told.triggers) == 1
    index.starts("1")
    await looks(index, [again], MINUTE)
    assert [it.labels["version"] for it in told.triggers] == ["2", "1"]


async def test_a_trigger_names_whose_version_it_is() -> None:
    index = Index()
    (one,), told, _ = controllers(index, 1)
    index.starts("1")
    await looks(index, [one], MINUTE)
    index.starts("2")
    await looks(index, [one], 4 * SECOND)
    (trigger,) = told.triggers
    assert (trigger.kind, trigger.status) == ("rollout", "firing")
    assert trigger.labels == {"service": "checkout", "environment": "production", "version": "2"}


async def test_without_rules_nobody_looks() -> None:
    index = Index()
    (one,), told, kept = controllers(index, 1)
    told.wanted = False
    index.starts("1", "2")
    await looks(index, [one], MINUTE)
    assert kept.stored.known is None


async def test_where_nothing_happens_little_is_written() -> None:
    index = Index()
    several, _, kept = controllers(index, 2)
    index.starts("1")
    await looks(index, several, 10 * MINUTE)
    assert len(kept.stored.version) <= 10 * 6 + 2


async def test_where_too_many_versions_report_nobody_seems_to_go_or_come() -> None:
    index = Index()
    (one,), told, kept = controllers(index, 1)
    index.starts("1")
    await looks(index, [one], MINUTE)

    async def reported(*, all_known: bool) -> Reported:
        return Reported(index.now_ms, {}, too_many=True)

    kept.reported = reported  # type: ignore[method-assign]
    index.starts("2")
    await looks(index, [one], MINUTE)
    assert told.triggers == []
    del kept.reported  # type: ignore[method-assign]
    await looks(index, [one], MINUTE)
    assert len(told.episodes) == 1
