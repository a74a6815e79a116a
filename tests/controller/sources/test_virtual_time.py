"""Schedules and rollouts in virtual time come to what a controller does that looks all the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.sources.rollouts.versions import CHECKOUT, MINUTE, START_MS, Watched
from upshift_controller.sources.schedules.running import Running
from upshift_controller.sources.virtual_time import planned, rolled_out
from upshift_rules.cron import parse_cron
from upshift_rules.leases.changes import Change, Scheduled
from upshift_rules.model import Outcome, Schedule
from upshift_rules.trials.beside.told import Planned, Reporting

HOUR = 60 * MINUTE
versions = st.sampled_from("abc")
lives = st.lists(
    st.tuples(versions, st.integers(1, 120), st.integers(2, 90)), min_size=1, max_size=6
)


def apart(several: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Of one version, and in minutes: a life begins after the one before has ended."""
    ends: dict[str, int] = {}
    found = []
    for version, since, length in sorted(several, key=lambda it: it[1]):
        if since > ends.get(version, 0):
            found.append((version, since, since + length))
            ends[version] = since + length
    return found


@settings(max_examples=40, deadline=None)
@given(lives)
def test_rollouts_are_those_of_a_controller_that_looks_all_the_time(
    several: list[tuple[str, int, int]],
) -> None:
    spans = apart(several)
    watched = Watched()
    watched.index.starts("old")
    watched.passes(2 * MINUTE)
    watched.told.clear()
    start_ms = watched.index.now_ms
    moments = sorted({at for _, since, until in spans for at in (since, until)})
    for at in moments:
        watched.passes(start_ms + at * MINUTE - watched.index.now_ms)
        watched.index.stops(*(it for it, _, until in spans if until == at))
        watched.index.starts(*(it for it, since, _ in spans if since == at))
    watched.passes(2 * MINUTE)
    named = dict(CHECKOUT)
    reporting = [Reporting({**named, "service.version": "old"}, start_ms, None)]
    reporting += [
        Reporting(
            {**named, "service.version": version},
            start_ms + since * MINUTE,
            start_ms + until * MINUTE,
        )
        for version, since, until in spans
    ]
    found = rolled_out(reporting, start_ms, start_ms + 300 * MINUTE)
    assert [it.labels["version"] for it in found] == watched.told


def schedule(cron: str, minutes: int, jitter: int = 0) -> Schedule:
    return Schedule(
        name=cron, cron=parse_cron(cron), zone="Europe/Berlin", kind="boost",
        targets=("service/a", "fleet"), profiles=(), frequency_hz=97,
        duration_ms=minutes * MINUTE, jitter_ms=jitter * MINUTE,
    )  # fmt: skip


async def test_what_is_planned_is_what_a_controller_asks_for_in_every_window() -> None:
    several = [
        schedule("*/20 * * * *", 7),
        schedule("0 */2 * * *", 45, 10),
        schedule("5 5 * * *", 9),
    ]
    now_ms, asked = START_MS, set[tuple[str, str, int]]()

    async def apply(wanted: Mapping[str, Sequence[Change]]) -> dict[str, list[Outcome]]:
        for target, changes in wanted.items():
            for it in changes:
                assert isinstance(it, Scheduled)
                asked.add((target, it.schedule, it.starts_at_ms))
        done = Outcome(outcome="repeat", reason="")
        return {target: [done] * len(changes) for target, changes in wanted.items()}

    async def now() -> int:
        return now_ms

    running = Running(lambda: several, now, apply)
    while now_ms <= START_MS + 26 * HOUR:
        await running.look()
        now_ms += 30_000
    plans = list(planned(several, START_MS, START_MS + 26 * HOUR))
    assert {(it.target, c.schedule, c.starts_at_ms) for it in plans for c in it.changes} == asked
    assert [it.at_ms for it in plans] == sorted(it.at_ms for it in plans)


def test_a_window_that_is_open_already_is_asked_for_at_once() -> None:
    (first, second, *_) = planned([schedule("0 * * * *", 50)], START_MS, START_MS + HOUR)
    assert isinstance(first, Planned)
    assert [it.at_ms for it in (first, second)] == [START_MS, START_MS]
    assert first.changes[0].starts_at_ms < START_MS < first.changes[0].ends_at_ms
