"""What async-profiler is told: numbers, and names that are ours, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.async_profiler import commands

RECORDING = f"upshift-{'0a' * 16}.jfr"
LOG = f"asprof-log.{'0b' * 16}"
ALL = {"cpu": 100, "wall": 19, "alloc": 50, "lock": 10}


def test_one_session_carries_all_that_is_on_and_ends_by_itself() -> None:
    assert commands.start(RECORDING, LOG, ALL, 4096, 15) == (  # type: ignore[arg-type]
        f"start,jfr,timeout=15,file=/tmp/{RECORDING},event=ctimer,interval=10000000,"
        f"wall=52631579,alloc=4096,lock=100000000,quiet,log=/tmp/{LOG}"
    )


def test_cpu_is_sampled_by_the_timer_that_was_chosen() -> None:
    assert ",event=itimer," in commands.start(RECORDING, LOG, {"cpu": 19}, 1, 15, "itimer")


def test_what_is_off_is_not_asked_for() -> None:
    said = commands.start(RECORDING, LOG, {"wall": 19, "cpu": 0}, 4096, 15)
    assert not any(f",{option}=" in said for option in ("event", "interval", "alloc", "lock"))


@pytest.mark.parametrize("name", ["", "x.jfr", "upshift-1.jfr", f"{RECORDING},dump", f"../{LOG}"])
def test_a_name_that_is_not_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a recording of ours"):
        commands.start(name, LOG, {"cpu": 1}, 1, 15)
    with pytest.raises(ValueError, match="no name of a log of ours"):
        commands.stop(name)


def test_cpu_is_no_more_than_the_kernels_ticks_and_the_rest_no_more_than_1000() -> None:
    wanted = {"cpu": 1000, "wall": 5000, "lock": 19}
    assert commands.in_force(wanted, 250) == {  # type: ignore[arg-type]
        "cpu": 250,
        "wall": 1000,
        "lock": 19,
    }


def test_allocations_are_sampled_as_often_as_asked_for_once_it_is_known_how_many_there_are() -> (
    None
):
    assert commands.alloc_bytes(100, None) == commands.FIRST_ALLOC
    assert commands.alloc_bytes(100, 100_000_000.0) == 1_000_000


@given(st.integers(1, 1000), st.floats(0, 1e15) | st.none())
def test_between_two_samples_there_are_some_bytes(hz: int, bytes_per_s: float | None) -> None:
    assert 1 <= commands.alloc_bytes(hz, bytes_per_s) <= 1 << 30


def test_answers_are_understood() -> None:
    assert commands.already("[ERROR] Profiler already started\n")
    assert not commands.already("[ERROR] Could not open Flight Recorder output file\n")
    assert not commands.runs("Profiler is not active\n")
    assert commands.runs("Profiling is running for 3 seconds\n")
    assert commands.runs("")  # nobody knows
