"""What each preset writes, whoever the workloads are."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.config.files import FileEntry
from upshift_host.files.presets import PRESETS
from upshift_host.files.setup import Setup
from upshift_host.files.sharing import Share, shared_by, wanted
from upshift_host.workload import Process, Workload

OWN = [name for name in PRESETS if name != "file"]
HOSTILE = ['a"b', "a}b{c", "a\nb", "${env:HOME}", "a\\", "'; rm -rf /", "\u202e", "x" * 5000]


def setup(preset: str, **more: Any) -> Setup:
    return Setup(FileEntry.model_validate({"preset": preset, "file": "/x/f", **more}), 19)


def text(preset: str, hz: int, **more: Any) -> str:
    return setup(preset, **more).contents.at(hz, None).decode()


def test_alloys_module_changes_the_label_with_the_rate() -> None:
    module = text("alloy.ebpf", 100)
    assert re.findall(r'pyroscope\.ebpf "(\w+)"', module) == ["hz100"]
    assert re.findall(r"sample_rate\s+= (\d+)", module) == ["100"]
    assert 'declare "ebpf"' in module
    off = text("alloy.ebpf", 0)
    assert "pyroscope" not in off
    assert off.count("{") == off.count("}") == 3
    assert module.count("{") == module.count("}") == 4


def test_alloys_java_is_never_told_0_which_it_would_divide_by() -> None:
    assert json.loads(text("alloy.java", 100)) == {
        "written_by": "upshift-agent", "cpu": True, "hz": 100,
    }  # fmt: skip
    assert json.loads(text("alloy.java", 0)) == {
        "written_by": "upshift-agent", "cpu": False, "hz": 1,
    }  # fmt: skip


@given(st.integers(0, 1000))
def test_two_scrapes_of_alloy_never_overlap_and_the_part_of_the_time_is_told(hz: int) -> None:
    one = setup("alloy.scrape")
    told = one.told(hz)
    values = json.loads(one.contents.at(told, None))
    interval, duration = (int(values[it][:-1]) for it in ("scrape_interval", "duration"))
    assert duration + 1 <= interval
    assert values["enabled"] is (hz > 0)
    if hz:
        assert one.reached(told) == pytest.approx(100 * duration / interval)
        assert one.reached(told) <= max(told, 1)


@given(st.integers(0, 1000))
def test_the_collectors_file_is_yaml_that_it_accepts(hz: int) -> None:
    document = yaml.safe_load(text("otel-collector", hz, receiver="profiling/node"))
    (receiver,) = document["receivers"].values()
    assert document.keys() == {"receivers"}
    assert receiver["samples_per_second"] == max(hz, 1)
    assert ("probabilistic_threshold" in receiver) is (hz == 0)


@pytest.mark.parametrize("preset", OWN)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_preset_replaces_what_it_has_written_before_at_any_frequency(
    preset: str, hz: int, former: int
) -> None:
    contents = setup(preset).contents
    content = contents.at(hz, contents.at(former, None))
    assert contents.hz(content, (former, hz)) in (hz, *([former] if hz != former else []))
    assert content == contents.at(hz, None)


@pytest.mark.parametrize("preset", OWN)
def test_a_preset_replaces_nothing_of_anybody_elses(preset: str) -> None:
    with pytest.raises(ValueError, match="something else"):
        setup(preset).contents.at(19, b"receivers: {}\n")


def test_a_frequency_is_kept_within_what_the_profiler_may_be_told() -> None:
    within = setup("file", template="{hz}", lowest=10, highest=200)
    assert [within.told(hz) for hz in (0, 5, 50, 1000)] == [10, 10, 50, 200]
    off = setup("file", template="{hz}", off="off", lowest=10)
    assert [off.told(hz) for hz in (0, 5)] == [0, 10]
    placed = setup("otel-collector", number_before="# upshift")
    assert [placed.told(hz) for hz in (0, 5)] == [1, 5]


def test_a_profiler_runs_at_the_highest_of_its_workloads_decisions() -> None:
    shares = [Share("cart", 19), Share("checkout", 100), Share("cart", 49)]
    assert wanted(shares, 5, 19) == 100
    assert wanted([Share("cart", 0)], 100, 19) == 0, "the node's is for when there is nobody"
    assert wanted([], 0, 19) == 0
    assert wanted([], None, 19) == 19


def test_the_status_says_who_shares_it_and_who_has_it_run_faster() -> None:
    others = [Share("cart", 19), Share("checkout", 100), Share("cart", 49)]
    assert shared_by(others, 19) == "shared by checkout (100 Hz), cart (49 Hz)"
    assert shared_by(others, 100) == "shared by checkout, cart"
    assert shared_by([], 19) == ""
    many = [Share(f"s{number}", 19) for number in range(9)]
    assert shared_by(many, 19) == "shared by s0, s1, s2 and 6 more"
    assert len(shared_by([Share("x" * 5000, 19)] * 9, 0)) < 100


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_service_gets_into_any_file(name: str) -> None:
    workload = Workload(
        attributes={"service.name": name}, language="java", processes=(Process(1, 1),)
    )
    for preset in OWN:
        one = setup(preset)
        one.is_for(workload)
        assert one.contents.at(100, None) == setup(preset).contents.at(100, None)
        assert name not in text(preset, 100)
