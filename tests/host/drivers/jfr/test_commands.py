"""What is said to Flight Recorder, and what its answers mean."""

from __future__ import annotations

import pytest

from upshift_host.drivers.jfr import commands
from upshift_host.drivers.jfr.commands import Other

NAME = "upshift-0123456789abcdef"


def test_every_recording_has_its_own_end_and_only_what_is_wanted() -> None:
    said = commands.start(NAME, {"cpu": 19}, commands.BY_THREAD, 15)
    assert said == (
        f"JFR.start name={NAME} settings=none disk=false dumponexit=false duration=15s "
        "filename=/dev/null +jdk.ExecutionSample#enabled=true +jdk.ExecutionSample#period=53ms"
    )


def test_beside_another_recording_ours_is_in_the_jvms_repository() -> None:
    """One in memory would end empty."""
    assert "disk=true" in commands.start(NAME, {"cpu": 19}, commands.BY_THREAD, 15, alone=False)


def test_cpu_time_is_throttled_by_a_period_and_never_by_a_rate() -> None:
    """Two throttles that differ, one of them a rate, give no samples at all."""
    said = commands.start(NAME, {"cpu": 100}, commands.BY_CPU_TIME, 15)
    assert "+jdk.CPUTimeSample#throttle=10ms" in said


def test_allocations_are_so_many_a_second_and_waits_last_at_least_a_period() -> None:
    said = commands.start(NAME, {"alloc": 100, "lock": 50}, commands.BY_THREAD, 15)
    assert "+jdk.ObjectAllocationSample#throttle=100/s" in said
    assert "+jdk.JavaMonitorEnter#threshold=20ms" in said
    assert "ExecutionSample" not in said


@pytest.mark.parametrize("name", ["x", "upshift-", "upshift-0 filename=/etc/passwd", ""])
def test_a_name_that_is_not_ours_is_never_said(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        commands.start(name, {"cpu": 19}, commands.BY_THREAD, 15)


@pytest.mark.parametrize(("hz", "period_ms"), [(1, 1000), (19, 53), (100, 10), (5000, 1)])
def test_periods_are_the_nearest_whole_milliseconds(hz: int, period_ms: int) -> None:
    assert commands.period_ms(hz) == period_ms


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenJDK 64-Bit Server VM version 17.0.19+10\nJDK 17.0.19\n", 17),
        ("OpenJDK 64-Bit Server VM version 25+36\nJDK 25.0.0\n", 25),
        ("anything", 0),
    ],
)
def test_the_version_is_the_jdks(said: str, version: int) -> None:
    assert commands.version(said) == version


CHECKED = f"""\
Recording 1: name=the user's own maxsize=250.0MB (running)

 CPU Time Method Sample (jdk.CPUTimeSample)
   [enabled=false,throttle=500/s]
 Method Profiling Sample (jdk.ExecutionSample)
   [enabled=true,period=20 ms]


Recording 2: name={NAME} duration=15s (running)

 Method Profiling Sample (jdk.ExecutionSample)
   [enabled=true,period=10ms]


Recording 3: name=ended duration=1m (stopped)

 Method Profiling Sample (jdk.ExecutionSample)
   [enabled=true,period=1 ms]


Recording 4: name=other (running)

 CPU Time Method Sample (jdk.CPUTimeSample)
   [enabled=true,throttle=500/s]
"""


def test_recordings_of_others_that_run_are_known_with_what_they_sample() -> None:
    assert commands.others(CHECKED) == [
        Other("the user's own", 20.0, False),
        Other("other", None, True),
    ]


def test_all_that_run_are_counted_ours_among_them() -> None:
    assert commands.running(CHECKED) == 3


def test_where_there_is_none_there_is_none() -> None:
    assert commands.others("") == []
    assert commands.running("No available recordings.\n") == 0


@pytest.mark.parametrize(
    ("said", "started"),
    [
        ("Started recording 1. The result will be written to:\n\n/dev/null\n", True),
        ("Module jdk.jfr not found.\nFlight Recorder can not be enabled.\n", False),
        ("", False),
    ],
)
def test_a_recording_has_begun_only_where_that_is_said(said: str, started: bool) -> None:
    assert commands.started(said) is started
