"""What a trial has besides alerts: schedules that are refused, guards, and the order of things."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upshift_agent.contract import Baseline
from upshift_rules.guards.answer import answer_of
from upshift_rules.leases.changes import Scheduled
from upshift_rules.leases.limits import Limits
from upshift_rules.model import RuleSet
from upshift_rules.trials.beside.agenda import Agenda
from upshift_rules.trials.beside.told import Answered, Answers, Planned
from upshift_rules.trials.fleet import Fleet, member
from upshift_rules.trials.trial import Step, Trial

START_MS = 1_795_395_815_000
MINUTE = 60_000


def planned(target: str, at_ms: int, minutes: int, hz: int = 97) -> Planned:
    end_ms = at_ms + minutes * MINUTE
    change = Scheduled(
        schedule=f"of {target}",
        kind="boost",
        hz=hz,
        starts_at_ms=at_ms,
        ends_at_ms=end_ms,
        where={},
    )
    return Planned(at_ms, target, [change])


def run(limits: Limits, *plans: Planned) -> list[tuple[int, str, str]]:
    fleet = Fleet(member(name, {"service.name": name}) for name in "ab")
    steps: list[Step] = []
    rules = RuleSet(baseline=Baseline(19))
    trial = Trial(rules, limits, fleet, steps.append, plans)
    trial.pass_until(START_MS + 60 * MINUTE)
    return [
        (it.at_ms - START_MS, it.after.target, entry.event) for it in steps for entry in it.entries
    ]


def test_a_schedule_that_a_limit_refuses_has_the_rest_of_its_window_once_there_is_room() -> None:
    plans = planned("service/a", START_MS, 10), planned("service/b", START_MS + 10_000, 20)
    happened = run(Limits(max_boosted_agents=1), *plans)
    assert happened == [
        (0, "service/a", "granted"),
        (10_000, "service/b", "refused"),
        (10 * MINUTE, "service/a", "expired"),
        (10 * MINUTE + 10_000, "service/b", "granted"),  # asked again each 30 s
        (20 * MINUTE + 10_000, "service/b", "expired"),
    ]


def test_a_window_that_is_over_is_asked_for_no_more() -> None:
    plans = planned("service/a", START_MS, 50), planned("service/b", START_MS, 5)
    happened = run(Limits(max_boosted_agents=1), *plans)
    assert [it for it in happened if it[1] == "service/b"] == [(0, "service/b", "refused")]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["lease", "stop"])), max_size=20))
def test_what_is_due_comes_in_order_of_time_and_leases_end_first(
    entered: list[tuple[int, str]],
) -> None:
    plans = [planned("fleet", at_ms, 1) for at_ms in range(0, 9, 2)]
    agenda = Agenda(plans)
    for at_ms, what in entered:
        agenda.enter(at_ms, what if what == "lease" else None)
    found = []
    while (due := agenda.next(9)) is not None:
        found.append(due)
    order = [(at_ms, 0 if isinstance(it, str) else 2 if it is None else 1) for at_ms, it in found]
    assert order == sorted(order)
    assert len(found) == len(entered) + len(plans)
    assert agenda.next(2**60) is None


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1), st.sampled_from([None, "a"]))),
    st.integers(0, 9),
    st.sampled_from("ab"),
)
def test_the_newest_answer_about_a_target_or_everybody_counts(
    said: list[tuple[int, int, str | None]], now_ms: int, target: str
) -> None:
    answers = Answers(
        Answered("r", "only_if", at_ms, answer_of([value]), whom) for at_ms, value, whom in said
    )
    about = [(at_ms, value) for at_ms, value, whom in said if whom in (None, target)]
    past = [it for it in sorted(about, key=lambda it: it[0]) if it[0] <= now_ms]
    wanted = answer_of([past[-1][1]]) if past else None
    assert answers.of("r", "only_if", target, now_ms) == wanted
    assert answers.of("r", "stop_if", target, now_ms) is None
