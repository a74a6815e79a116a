"""The loop of windows, with a profiler that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from servers import eventually
from upshift_host.drivers import window as module
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.window import Loop


@dataclass
class Remembering:
    """A profiler of one number. `events` are what happened, in order."""

    events: list[str] = field(default_factory=list)
    begin_fails: str | None = None
    end_fails: str | None = None
    over: bool = False
    over_once: bool = False
    nothing: bool = False

    def begin(self, wanted: int) -> _Run | None:
        if self.begin_fails:
            raise ProfilerFailed(self.begin_fails)
        if self.nothing:
            return None
        self.events.append(f"begin {wanted}")
        return _Run(self, wanted)


@dataclass
class _Run:
    of: Remembering
    wanted: int

    def over(self) -> bool:
        once, self.of.over_once = self.of.over_once, False
        return self.of.over or once

    def end(self) -> int:
        self.of.events.append(f"end {self.wanted}")
        if self.of.end_fails:
            raise ProfilerFailed(self.of.end_fails)
        return self.wanted


@dataclass
class World:
    profiler: Remembering
    took: list[int]
    failed: list[str]
    make: Callable[..., Loop[int, int]]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    profiler, took, failed = Remembering(), list[int](), list[str]()
    made: list[Loop[int, int]] = []

    def make(*, window_s: float = 60.0, overlap: bool = True) -> Loop[int, int]:
        made.append(
            Loop(
                "test",
                profiler.begin,
                took=took.append,
                failed=failed.append,
                window_s=window_s,
                overlap=overlap,
            )
        )
        return made[-1]

    yield World(profiler, took, failed, make)
    profiler.begin_fails = profiler.end_fails = None
    for loop in made:
        loop.set(None)
        eventually(lambda loop=loop: loop._thread is None)


def test_a_change_ends_the_window_and_the_next_begins_before(world: World) -> None:
    loop = world.make()
    loop.set(19)
    loop.set(100)
    assert world.profiler.events == ["begin 19", "begin 100", "end 19"]
    assert world.took == [19]


def test_what_runs_already_is_left_running(world: World) -> None:
    loop = world.make()
    loop.set(19)
    loop.set(19)
    assert world.profiler.events == ["begin 19"]


def test_where_two_would_disturb_one_another_the_first_ends_before(world: World) -> None:
    loop = world.make(overlap=False)
    loop.set(19)
    loop.set(100)
    assert world.profiler.events == ["begin 19", "end 19", "begin 100"]


def test_nothing_runs_at_0_and_no_thread_waits(world: World) -> None:
    loop = world.make()
    loop.set(19)
    loop.set(None)
    assert world.profiler.events == ["begin 19", "end 19"]
    eventually(lambda: loop._thread is None)


def test_windows_follow_one_another(world: World) -> None:
    world.make(window_s=0.05).set(19)
    eventually(lambda: len(world.took) >= 3)
    assert world.profiler.events[:5] == ["begin 19", "begin 19", "end 19", "begin 19", "end 19"]


def test_what_cannot_begin_raises_and_nothing_is_left_running(world: World) -> None:
    loop = world.make()
    loop.set(19)
    world.profiler.begin_fails = "no right to"
    with pytest.raises(ProfilerFailed, match="no right to"):
        loop.set(100)
    assert world.profiler.events == ["begin 19", "end 19"]
    assert world.took == [19]
    eventually(lambda: loop._thread is None)


def test_a_later_window_that_cannot_begin_is_told_of_and_tried_again(world: World) -> None:
    loop = world.make(window_s=0.05)
    loop.set(19)
    world.profiler.begin_fails = "gone"
    eventually(lambda: world.failed == ["gone"] * len(world.failed) and len(world.failed) >= 3)
    world.profiler.begin_fails = None
    began = len(world.profiler.events)
    eventually(lambda: "begin 19" in world.profiler.events[began:])


def test_a_window_that_brought_nothing_is_told_of_and_the_next_one_runs(world: World) -> None:
    loop = world.make()
    loop.set(19)
    world.profiler.end_fails = "a full disk"
    loop.set(100)
    assert world.failed == ["a full disk"]
    assert world.profiler.events[-1] == "end 19"
    assert world.took == []


def test_a_profiler_that_ends_by_itself_at_once_is_not_begun_over_and_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 30.0)
    world.profiler.over = True
    world.make().set(19)
    eventually(lambda: world.took == [19])
    time.sleep(0.1)  # for what must not come
    assert world.profiler.events == ["begin 19", "end 19"]


def test_one_that_ends_by_itself_late_is_begun_anew_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EARLY_S", 0.0)
    world.make().set(19)
    world.profiler.over_once = True
    eventually(lambda: world.took)
    assert world.profiler.events[:3] == ["begin 19", "begin 19", "end 19"]


def test_where_nothing_is_left_to_sample_nothing_runs_and_that_is_no_failure(
    world: World,
) -> None:
    world.profiler.nothing = True
    world.make(window_s=0.02).set(19)
    time.sleep(0.1)  # for what must not come
    assert (world.profiler.events, world.failed) == ([], [])


def test_what_has_changed_is_sampled_in_a_new_window(world: World) -> None:
    loop = world.make()
    loop.set(19)
    loop.renew()
    eventually(lambda: world.profiler.events == ["begin 19", "begin 19", "end 19"])


def test_what_is_wanted_without_waiting_is_done_soon(world: World) -> None:
    loop = world.make()
    loop.want(19)
    eventually(lambda: world.profiler.events == ["begin 19"])
    loop.want(None)
    eventually(lambda: world.profiler.events == ["begin 19", "end 19"])


def test_a_hundred_changes_at_once_leave_one_running(world: World) -> None:
    loop = world.make(window_s=0.01)
    threads = [threading.Thread(target=loop.set, args=(hz,)) for hz in range(1, 101)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.set(None)
    begun = sum(event.startswith("begin") for event in world.profiler.events)
    assert begun == len(world.took) >= 100
