"""What becomes of decisions, on virtual time."""

from collections.abc import Mapping

from upshift_agent.contract import Profile
from upshift_agent.contract.resolve import Decision
from upshift_agent.driving import progress as timing
from upshift_agent.driving.progress import Job, Progress

REV: Mapping[str, int] = {"fleet": 1}
NEWER: Mapping[str, int] = {"fleet": 2}


def job(hz: int, wall_hz: int | None = None) -> Job:
    decisions: dict[Profile, Decision] = {"cpu": Decision(hz=hz)}
    if wall_hz is not None:
        decisions["wall"] = Decision(hz=wall_hz)
    return Job(decisions, REV)


def want(progress: Progress, hz: int, now: float = 0, revs: Mapping[str, int] = REV) -> None:
    progress.want(job(hz).decisions, revs, now)


def wanted_hz(progress: Progress, now: float = 0) -> int | float | None:
    job = progress.next(now)
    return job.hz["cpu"] if isinstance(job, Job) else job


def applied(hz: int) -> Progress:
    progress = Progress()
    want(progress, hz)
    progress.begin(0)
    progress.succeed(job(hz), {}, 0)
    return progress


def test_the_newest_decision_wins_and_what_lies_between_is_skipped() -> None:
    progress = applied(19)
    for hz in (49, 100, 77):
        want(progress, hz)
    assert wanted_hz(progress) == 77


def test_a_frequency_that_stands_needs_no_call_and_is_applied_for_the_newer_revision() -> None:
    progress = applied(19)
    want(progress, 19, revs=NEWER)
    assert wanted_hz(progress) is None
    view = progress.view(0)
    assert view.state == "applied"
    assert view.confirmed is not None
    assert view.confirmed.revs == NEWER


def test_nothing_counts_as_applied_while_the_driver_is_busy() -> None:
    progress = applied(19)
    want(progress, 100)
    progress.begin(1)
    want(progress, 19)
    assert progress.view(1).state == "applying"
    progress.succeed(job(100), {}, 2)
    assert wanted_hz(progress) == 19


def test_a_decision_that_is_overtaken_while_waiting_is_never_applied() -> None:
    progress = applied(19)
    want(progress, 100)
    want(progress, 19)
    assert wanted_hz(progress) is None


def test_failures_are_retried_ever_more_slowly_up_to_30_s() -> None:
    progress, now, waits = Progress(), 0.0, []
    want(progress, 100)
    for _ in range(7):
        progress.begin(now)
        progress.fail(job(100), "broken", now)
        wait = progress.next(now)
        assert isinstance(wait, float)
        waits.append(wait)
        now += wait
        assert wanted_hz(progress, now) == 100
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert (progress.view(now).state, progress.view(now).error) == ("failed", "broken")


def test_another_frequency_does_not_wait_for_the_retry_of_a_failed_one() -> None:
    progress = Progress()
    want(progress, 100)
    progress.begin(0)
    progress.fail(job(100), "broken", 0)
    want(progress, 49, now=0.1)
    assert wanted_hz(progress, 0.1) == 49
    assert progress.view(0.1).error is None


def test_after_a_failure_even_the_frequency_applied_before_is_set_again() -> None:
    progress = applied(19)
    want(progress, 100)
    progress.begin(1)
    progress.fail(job(100), "broken", 1)
    want(progress, 19, now=2)
    assert wanted_hz(progress, 2) == 19


def test_a_driver_that_does_not_return_is_noticed_within_5_s() -> None:
    progress = Progress()
    want(progress, 100)
    progress.begin(10)
    first = progress.view(10)
    assert (first.state, first.error) == ("applying", None)
    assert first.slow_in_s == timing.SLOW_AFTER_S < 5
    later = progress.view(17)
    assert (later.state, later.error) == ("applying", "driver has not returned for 7 s")


def test_a_driver_is_looked_at_in_time_though_nobody_tells_that_it_was_called() -> None:
    progress = Progress()
    want(progress, 100)
    assert progress.view(0).slow_in_s == timing.SLOW_AFTER_S
    progress.begin(0)
    progress.fail(job(100), "broken", 0)
    assert progress.view(0).slow_in_s == timing.FIRST_RETRY_S + timing.SLOW_AFTER_S
    progress.begin(1)
    assert progress.view(3).slow_in_s == timing.SLOW_AFTER_S - 2
    assert applied(19).view(0).slow_in_s is None


def test_a_failure_stays_reported_while_it_is_being_retried() -> None:
    progress = Progress()
    want(progress, 100)
    progress.begin(0)
    progress.fail(job(100), "broken", 0)
    progress.begin(1)
    assert progress.view(1).state == "failed"
    progress.succeed(job(100), {"cpu": 99.5}, 2)
    view = progress.view(2)
    assert view.confirmed is not None
    assert (view.state, view.error, view.confirmed.achieved_hz) == ("applied", None, {"cpu": 99.5})


def test_one_profile_that_changes_is_news_for_the_driver_of_all() -> None:
    progress = Progress()
    progress.want(job(19, 0).decisions, REV, 0)
    progress.begin(0)
    progress.succeed(job(19, 0), {}, 0)
    assert progress.next(0) is None
    progress.want(job(19, 49).decisions, NEWER, 1)
    assert progress.view(1).state == "applying"
    assert progress.next(1) == Job(job(19, 49).decisions, NEWER)
