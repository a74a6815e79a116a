"""A real alert raises a real profiler's frequency, and it comes back by itself.

Prometheus and its rule, Alertmanager, `upshift serve`, Valkey, the SDK in processes of their own
and pyroscope-io are real; the receiver counts the samples that arrive.

Why it takes two minutes: pyroscope-io draws the pauses between samples from an exponential
distribution, so N samples are right to one part in √N. For 10 % to be four times that takes 1,600
samples, at 19 Hz 84 seconds of CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from servers import RedisServer, eventually
from upshift_controller.demo.receiving.receiver import Profile, Rate, measure

from .ledger import Ledger
from .world import BOOST_S, INSTANCES, World, world

BASELINE_S = 84 / len(INSTANCES)
#: pyroscope-io writes a period in whole nanoseconds, rounded down.
PERIODS = {hz: 1_000_000_000 // hz for hz in (19, 100)}


@pytest.fixture
async def checkout(valkey: RedisServer, tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, valkey.url) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.servers("prometheus", "prometheus-alertmanager")
async def test_a_real_alert_takes_a_real_profiler_from_19_to_100_hz_and_back(
    checkout: World,
) -> None:
    def each_phase_lasted(number: int, seconds: float) -> bool:
        runs = [phases(checkout, instance) for instance in INSTANCES]
        return all(length_s(run[number]) > seconds for run in runs)

    await until(lambda: checkout.all_applied(19), within_s=30)
    await until(lambda: each_phase_lasted(0, BASELINE_S), within_s=90)
    checkout.exporter.load = 0.95  # HighCPU fires, and goes on firing past the boost's end
    await until(lambda: checkout.all_applied(100), within_s=30)
    await until(lambda: checkout.all_applied(19), within_s=BOOST_S + 10)
    await until(lambda: each_phase_lasted(2, BASELINE_S), within_s=90)

    measured = {instance: phases(checkout, instance) for instance in INSTANCES}
    for runs in measured.values():
        periods = [{profile.period_ns for profile in run} for run in runs]
        assert periods == [{PERIODS[19]}, {PERIODS[100]}, {PERIODS[19]}]
        assert all(profile.one_period for run in runs for profile in run)
        assert length_s(runs[1]) == pytest.approx(BOOST_S, abs=1)
    ledgers = {
        instance: await ledger_up_to(runs[-1][-1].until_s, checkout.ledgers[instance])
        for instance, runs in measured.items()
    }
    for number, hz in enumerate((19, 100, 19)):
        check(hz, [(measured[instance][number], ledgers[instance]) for instance in INSTANCES])
    assert checkout.history() == ["granted", "expired"]


def check(hz: int, runs: list[tuple[list[Profile], Ledger]]) -> None:
    """Hold the samples of all instances together against the frequency asked for."""
    running = total([rate(run, ledger.runnable) for run, ledger in runs])
    on_cpu = total([rate(run, ledger.cpu) for run, ledger in runs])
    assert running.cpu_seconds
    assert on_cpu.cpu_seconds
    print(  # noqa: T201  # the figures belong in the log of a run
        f"asked for {hz} Hz: {running.samples} samples in {running.cpu_seconds:.1f} s of running:"
        f" {running.per_cpu_second:.1f} a second; {on_cpu.cpu_seconds:.1f} s of it on a CPU:"
        f" {on_cpu.per_cpu_second:.1f} a second"
    )
    assert running.per_cpu_second == pytest.approx(hz, rel=0.1)
    if on_cpu.cpu_seconds > 0.97 * running.cpu_seconds:  # nobody else wanted the CPUs
        assert on_cpu.per_cpu_second == pytest.approx(hz, rel=0.1)


async def until(condition: Callable[[], Any], within_s: float) -> None:
    """`eventually`, without standing in the way of the receiver."""
    await asyncio.to_thread(eventually, condition, within_s=within_s, every_s=0.1)


async def ledger_up_to(moment: float, path: Path) -> Ledger:
    """The ledger, once it covers the last profile: on a loaded machine it may lag behind."""
    await until(lambda: Ledger.read(path).reaches(moment), within_s=30)
    return Ledger.read(path)


def phases(checkout: World, instance: str) -> list[list[Profile]]:
    """An instance's profiles in order of time; each change of period begins a new phase."""
    profiles = checkout.receiver.of("checkout", service_instance_id=instance)
    ordered = sorted(profiles, key=lambda profile: profile.from_s)
    return [list(run) for _, run in groupby(ordered, lambda profile: profile.period_ns)]


def length_s(run: list[Profile]) -> float:
    return run[-1].until_s - run[0].from_s


def rate(run: list[Profile], cpu: Callable[[float, float], float]) -> Rate:
    return measure(run, run[0].from_s, run[-1].until_s, cpu)


def total(rates: list[Rate]) -> Rate:
    return Rate(
        samples=sum(it.samples for it in rates),
        seconds=sum(it.seconds for it in rates),
        cpu_seconds=sum(it.cpu_seconds or 0 for it in rates),
    )
