"""Whom a host agent profiles, where an SDK looks after some of a workload's processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from upshift_host.discovery.facts import Facts
from upshift_host.discovery.procfs import Procfs
from upshift_host.running.occupied import Known
from upshift_host.running.ours import HELD_BACK_S, Ours
from upshift_host.workload import Language, Process, Workload

MASTER, *WORKERS = (Process(pid, 1000 + pid) for pid in (70, 71, 72))
FACTS = {
    it.pid: Facts(process=it, parent=1 if it is MASTER else MASTER.pid, inner_pid=it.pid)
    for it in (MASTER, *WORKERS)
}


class Told:
    """In place of `Occupied`: it knows what it was told."""

    def __init__(self) -> None:
        self.seen: dict[Process, bool] = {}
        self.wanted: Mapping[str, Mapping[Process, Known]] = {}
        self.waited = 0.0

    def want(self, wanted: Mapping[str, Mapping[Process, Known]], _: float) -> None:
        self.wanted = wanted

    def by_an_sdk(self, process: Process) -> bool | None:
        return self.seen.get(process)

    def waited_s(self, *_: object) -> float:
        return self.waited


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ours(told: Told, tmp_path: Path) -> Any:
    made = Ours(told, Procfs(tmp_path), "worker-3")  # type: ignore[arg-type]

    def of(language: Language = "python") -> tuple[Process, ...]:
        workload = Workload(
            attributes={"service.name": "checkout"},
            language=language,
            processes=(MASTER, *WORKERS),
        )
        found: Mapping[Any, Workload] = made.of(FACTS, {"key": workload}, 0.0)  # type: ignore[dict-item]
        return found["key"].processes if found else ()

    return of


def test_nobody_is_profiled_until_it_is_known_whether_an_sdk_does(told: Told, ours: Any) -> None:
    assert ours() == ()
    told.seen = dict.fromkeys((MASTER, *WORKERS), False)
    assert ours() == (MASTER, *WORKERS)


def test_whom_nobody_knows_of_is_not_held_back_for_ever(told: Told, ours: Any) -> None:
    told.waited = HELD_BACK_S
    assert ours() == (MASTER, *WORKERS)


def test_who_has_only_started_those_with_an_sdk_is_left_alone_too(told: Told, ours: Any) -> None:
    told.seen = {MASTER: False, WORKERS[0]: True, WORKERS[1]: False}
    assert ours() == (WORKERS[1],)
    told.seen[WORKERS[1]] = True
    assert ours() == ()


def test_of_native_processes_there_is_no_sdk(told: Told, ours: Any) -> None:
    assert ours("native") == (MASTER, *WORKERS)
    assert told.wanted == {}


def test_it_is_looked_for_under_the_name_that_its_own_environment_gives_it(
    told: Told, ours: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = replace(FACTS[70], environment={"OTEL_SERVICE_NAME": "checkout-api"})
    monkeypatch.setitem(FACTS, 70, named)
    ours()
    assert {service: len(known) for service, known in told.wanted.items()} == {
        "checkout": 3,
        "checkout-api": 1,
    }
