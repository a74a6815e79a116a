"""async-profiler is loaded into the JVMs of whoever asked for that, and into no others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from host.processes import identified
from upshift_host.config import load
from upshift_host.drivers.async_profiler.profiling import NAME
from upshift_host.drivers.kinds import KINDS
from upshift_host.running import natives as module
from upshift_host.running.carrier import Carrier
from upshift_host.running.natives import natives
from upshift_host.workload import Workload

HOST = Path(__file__).parents[3] / "agents-sdk/host"
BASE = "redis: redis://127.0.0.1:1\npyroscope: {url: 'http://127.0.0.1:1'}\n"


class Nowhere:
    def send(self, _: object) -> None: ...


def carriers(folder: Path, more: str, pid: int) -> tuple[dict[str, str], dict[str, str]]:
    """Who would carry what of a JVM, and why not who comes before."""
    (folder / "agent.yaml").write_text(BASE + more)
    jfr = replace(KINDS["jfr"], why_not=lambda _: None)
    kinds = {**natives(load(folder / "agent.yaml")), "jfr": jfr}
    workload = Workload(
        attributes={"service.name": "x"}, language="java", processes=(identified(pid),)
    )
    choice = Carrier(workload, kinds, {"push": 1}, Nowhere()).choice
    return dict(choice.carriers), dict(choice.reasons)


def test_what_the_guide_shows_loads(tmp_path: Path) -> None:
    page = (HOST / "guides/async-profiler.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "agent.yaml").write_text(BASE + block)
    assert list(natives(load(tmp_path / "agent.yaml"))) == [NAME]
    assert len(page.splitlines()) <= 80


def test_without_a_word_it_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(BASE)
    assert natives(load(tmp_path / "agent.yaml")) == {}


def test_it_comes_before_flight_recorder_where_its_library_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "why_not", lambda *_: None)
    found, _ = carriers(tmp_path, "async_profiler: {}\n", 1)
    assert found == dict.fromkeys(("cpu", "wall", "alloc", "lock"), NAME)


def test_where_its_library_is_not_flight_recorder_has_its_turn_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "why_not", lambda library, _: f"{library} holds no library")
    found, why = carriers(tmp_path, "async_profiler: {library: natives}\n", 1)
    assert found == dict.fromkeys(("cpu", "alloc", "lock"), "jfr")
    assert why[NAME] == f"{tmp_path / 'natives'} holds no library"
