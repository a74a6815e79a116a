"""What the pyroscope driver does where it has several profiles, on the real pyroscope-io."""

import time
import zlib
from typing import Any

import pytest

from agent.driving.conftest import at, capped, raised
from servers import eventually
from upshift_agent import Decision, Profile
from upshift_agent.drivers.pyroscope import PyroscopeDriver, session
from upshift_controller.demo.receiving.pprof import Pprof, fields, message, read_pprof, text

CPU_19 = {"cpu_enabled": True, "sample_rate": 19, "oncpu": True}
WALL_49 = {"cpu_enabled": True, "sample_rate": 49, "oncpu": False, "gil_only": False}


@pytest.mark.parametrize(
    ("decisions", "arguments", "achieved"),
    [
        (at(19, wall=49), WALL_49, {"cpu": 0}),
        (at(0, wall=49), WALL_49, {}),
        (at(19) | {"wall": Decision(hz=49)}, CPU_19, {"wall": 0}),
        (at(19, wall=49) | {"cpu": raised(100)}, CPU_19 | {"sample_rate": 100}, {"wall": 0}),
        (at(19, wall=49) | {"cpu": capped(9)}, WALL_49, {"cpu": 0}),
        (at(19) | {"wall": capped(5)}, CPU_19, {"wall": 0}),
        (at(19, wall=3), None, {"cpu": 0, "wall": 0}),
        (
            at(19, alloc=20),
            CPU_19 | {"mem_enabled": True, "mem_heap_sample_size": 524_288},
            {},
        ),
        (
            at(0, alloc=1000),
            {"cpu_enabled": False, "mem_enabled": True, "mem_heap_sample_size": 65_536},
            {"alloc": 160},
        ),
        (at(0), None, {}),
        ({"cpu": Decision(hz=19)}, CPU_19, {}),
    ],
)
def test_one_session_has_what_can_run_together_and_says_what_stands_back(
    decisions: dict[Profile, Decision],
    arguments: dict[str, Any] | None,
    achieved: dict[Profile, float],
) -> None:
    wanted = session(decisions)
    assert (wanted.arguments, wanted.achieved) == (arguments, achieved)


def pushes(bodies: list[bytes]) -> list[tuple[dict[str, str], Pprof]]:
    found = []
    for body in list(bodies):
        plain = zlib.decompress(body, 31) if body.startswith(b"\x1f\x8b") else body
        for _, series in fields(plain):
            labels, profiles = {}, []
            for key, value in fields(message(series)):
                if key == 1:
                    pair = dict(fields(message(value)))
                    labels[text(pair[1])] = text(pair.get(2, b""))
                elif key == 2:
                    profiles += [
                        read_pprof(message(raw)) for n, raw in fields(message(value)) if n == 1
                    ]
            found += [(labels, profile) for profile in profiles]
    return found


def test_wall_sees_a_thread_that_waits_and_its_windows_say_so(
    profiler: PyroscopeDriver, received: tuple[str, list[bytes]]
) -> None:
    def seen() -> dict[bool, int]:
        """Samples of windows of wall, and of others."""
        counts = {True: 0, False: 0}
        for labels, profile in pushes(received[1]):
            for values in profile.values.values():
                counts[labels.get("upshift_profile") == "wall"] += sum(values) // profile.period
        return counts

    profiler.apply(at(100))
    time.sleep(0.5)  # the thread that is to be seen
    profiler.apply(at(19, wall=100))
    time.sleep(0.5)
    profiler.apply(at(0))
    found = eventually(lambda: seen()[True] > 0 and seen())
    assert found[True] > 5 * found[False]


def test_alloc_counts_more_samples_at_a_higher_frequency(
    profiler: PyroscopeDriver, received: tuple[str, list[bytes]]
) -> None:
    def allocate(mib: int) -> None:
        for _ in range(mib * 16):
            bytearray(65_536)

    def counted() -> list[int]:
        return [
            len(values)
            for _, profile in pushes(received[1])
            for (kind, _), values in profile.values.items()
            if kind.startswith("alloc") and sum(values)
        ]

    profiler.apply(at(0, alloc=5))
    allocate(200)
    profiler.apply(at(0))
    eventually(counted)
    few = max(counted())
    profiler.apply(at(0, alloc=100))
    allocate(200)
    profiler.apply(at(0))
    eventually(lambda: max(counted()) >= few)
