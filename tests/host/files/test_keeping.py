"""What is written when: ends at once, raises gathered and limited, harm undone. On virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from upshift_host.files import keeping
from upshift_host.files.keeping import (
    GATHER_S,
    HARM,
    HARM_S,
    MINUTE_S,
    WATCH_S,
    Limits,
    Reload,
    State,
    Wait,
    Write,
    next_step,
)

LIMITS = Limits(rest=19, raises_per_minute=6, within_s=5.0)
T = 1000.0


def resting(hz: int = 19) -> State:
    return keeping.known(State(wanted=19), hz)


@dataclass
class Run:
    """A keeper in virtual time: whatever is to be done works, and takes no time."""

    now: float = T
    state: State = field(default_factory=resting)
    limits: Limits = LIMITS
    raises: list[float] = field(default_factory=list)
    writes: list[tuple[float, int]] = field(default_factory=list)

    def want(self, hz: int) -> None:
        self.state = keeping.wanting(self.state, hz, self.now, self.limits)
        self.work()

    def work(self) -> None:
        for _ in range(10):
            step = next_step(self.state, self.now, self.limits)
            if isinstance(step, Wait):
                assert step.until is None or step.until > self.now or self.state.watched_until
                return
            if isinstance(step, Write):
                if step.raises:
                    self.state = keeping.reloading(self.state, self.now)
                    self.raises.append(self.now)
                self.writes.append((self.now, step.hz))
                self.state = keeping.wrote(self.state, step.hz, self.now, self.limits)
            assert self.state.file is not None
            self.state = keeping.reloaded(self.state, self.state.file, self.now, self.limits)
        raise AssertionError("it never rests")

    def run_until(self, end: float) -> None:
        while True:
            step = next_step(self.state, self.now, self.limits)
            assert isinstance(step, Wait)
            times = [step.until, self.state.watched_until]
            at = min((it for it in times if it is not None and it > self.now), default=end)
            if at >= end:
                self.now = end
                self.settle()
                self.work()
                return
            self.now = at
            self.settle()
            self.work()

    def settle(self) -> None:
        watched = self.state.watched_until
        if watched is not None and self.now >= watched:
            self.state = keeping.proved(self.state)


def test_an_end_is_written_at_once() -> None:
    run = Run()
    run.want(100)
    run.run_until(T + 2)
    run.want(19)
    assert run.writes == [(T + GATHER_S, 100), (T + 2, 19)]


def test_two_raises_in_the_same_second_make_one_reload() -> None:
    run = Run()
    run.want(49)
    run.run_until(T + 0.9)
    run.want(100)
    run.run_until(T + 60)
    assert run.writes == [(T + GATHER_S, 100)]


def test_the_seventh_raise_of_a_minute_waits_and_those_that_wait_are_one() -> None:
    run = Run()
    for number in range(20):
        run.want(20 + number)
        run.run_until(run.now + 2)
    run.run_until(T + 59)
    assert [hz for _, hz in run.writes] == [20, 21, 22, 23, 24, 25]
    run.run_until(T + 65)
    assert run.writes[6:] == [(T + MINUTE_S + GATHER_S, 39)]


def test_ends_and_caps_pass_the_limit() -> None:
    run = Run()
    for number in range(12):
        run.want(20 + number)
        run.run_until(run.now + 2)
    for hz in (24, 0, 19):
        run.want(hz)
    assert [hz for at, hz in run.writes if at == run.now] == [24, 0, 19]


wants = st.lists(st.tuples(st.sampled_from([0, 5, 19, 49, 97, 100]), st.floats(0, 20)), max_size=40)


@given(wants, st.integers(1, 10))
def test_no_minute_has_more_raises_than_allowed_and_nothing_that_lowers_ever_waits(
    wants: list[tuple[int, float]], allowed: int
) -> None:
    run = Run(limits=replace(LIMITS, raises_per_minute=allowed))
    for hz, pause in wants:
        run.want(hz)
        assert run.state.file is not None
        assert run.state.file <= hz
        run.run_until(run.now + pause)
    for at in run.raises:
        assert len([it for it in run.raises if at <= it < at + MINUTE_S - 1e-6]) <= allowed
    run.run_until(run.now + 2 * MINUTE_S)
    assert run.state.file == run.state.loaded == run.state.wanted
    assert keeping.in_words(run.state, run.now, run.limits) == ""


def test_what_ends_while_a_raise_waits_is_never_written() -> None:
    run = Run()
    run.want(100)
    run.run_until(T + 0.5)
    run.want(19)
    run.run_until(T + 60)
    assert run.writes == []


def test_a_raise_that_did_harm_is_undone_and_not_tried_again_for_5_minutes() -> None:
    run = Run()
    run.want(100)
    run.run_until(T + 3)
    run.state = keeping.harmed(run.state, "it has ended", run.now)
    assert keeping.undo_to(run.state, LIMITS) == 19
    run.state = keeping.wrote(run.state, 19, run.now, LIMITS)
    run.work()
    run.run_until(T + 200)
    assert run.state.file == 19
    assert (run.state.failures, run.state.why) == (HARM, "it has ended")
    run.want(97)
    run.run_until(T + 3 + HARM_S - 1)
    assert run.state.file == 19
    run.run_until(T + 3 + HARM_S + 1)
    assert run.state.file == 97


def test_it_is_undone_to_what_ran_without_harm_but_never_above_what_is_wanted_by_then() -> None:
    run = Run()
    run.want(49)
    run.run_until(T + GATHER_S + WATCH_S + 1)
    run.want(100)
    run.run_until(run.now + 2)
    assert keeping.undo_to(run.state, LIMITS) == 49
    assert keeping.undo_to(replace(run.state, wanted=30), LIMITS) == 30


def test_what_was_not_proved_is_not_gone_back_to() -> None:
    run = Run()
    run.want(49)
    run.run_until(T + 3)
    run.want(100)
    run.run_until(T + 5)
    assert keeping.undo_to(run.state, LIMITS) == 19


def test_a_reload_that_failed_is_tried_again_though_nothing_is_wanted() -> None:
    state = keeping.wrote(resting(49), 19, T, LIMITS)
    assert next_step(state, T, LIMITS) == Reload()
    state = keeping.failed(state, "503", T)
    assert next_step(state, T, LIMITS) == Wait(T + 1)
    assert next_step(state, T + 1, LIMITS) == Reload()
    for number in range(20):
        state = keeping.failed(state, "503", T + number)
    assert next_step(state, T + 19 + 29.9, LIMITS) == Wait(T + 19 + 30)


def test_an_end_that_cannot_be_written_is_tried_each_second() -> None:
    state = keeping.wanting(resting(100), 5, T, LIMITS)
    for number in range(50):
        state = keeping.not_written(state, "disk full", T + number)
        assert next_step(state, T + number + 1, LIMITS) == Write(5, raises=False)


def test_a_file_of_unknown_content_is_written_at_once_at_rest_and_is_a_raise_above_it() -> None:
    unknown = keeping.found(resting(), None)
    assert next_step(unknown, T, LIMITS) == Write(19, raises=False)
    above = keeping.wanting(unknown, 100, T, LIMITS)
    assert next_step(above, T + GATHER_S, LIMITS) == Write(100, raises=True)


def test_the_status_says_written_until_it_is_in_force() -> None:
    run = Run()
    assert keeping.in_words(run.state, T, LIMITS) == ""
    run.want(100)
    assert keeping.in_words(run.state, T, LIMITS) == "written in 1 s"
    assert keeping.in_force(run.state, T, LIMITS) == 19
    run.run_until(T + GATHER_S)
    assert keeping.in_words(run.state, run.now, LIMITS) == "written, in force within 5 s"
    assert keeping.in_force(run.state, run.now + 4.9, LIMITS) == 19
    assert keeping.in_force(run.state, run.now + 5, LIMITS) == 100
    assert keeping.in_words(run.state, run.now + 5, LIMITS) == ""
    run.now += 1
    run.want(19)
    assert keeping.in_force(run.state, run.now, LIMITS) == 19, "which 100 never was"
