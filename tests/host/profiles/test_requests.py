"""What Pyroscope and Parca are told of a window, read as they read it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.profiles.windows import window
from host.receiver import read_ingest, read_name, read_written
from upshift_host.profiles.labels import MAX_LABELS, label_name, labels
from upshift_host.profiles.parca import write_raw
from upshift_host.profiles.pyroscope import ingest


def test_pyroscope_is_told_the_true_rate_and_the_time() -> None:
    request = ingest(window(hz=19, began_s=1_800_000_000.25))
    read = read_ingest(request.path, request.body)
    assert (read.application, read.hz, read.units) == ("checkout.cpu", 19, "samples")
    assert read.from_s == pytest.approx(1_800_000_000.25, abs=1e-6)
    assert read.until_s == pytest.approx(1_800_000_010.0, abs=1e-6)
    assert read.stacks == {("main", "pay"): 3, ("main",): 1}
    assert read.labels == {
        "service_name": "checkout",
        "deployment_environment_name": "production",
    }
    assert read.profiler == "py-spy"


@pytest.mark.parametrize(
    ("profile", "application", "units", "value"),
    [
        ("wall", "checkout.wall", "samples", 2),
        ("alloc", "checkout.alloc_space", "bytes", 4096),
        ("lock", "checkout.lock_duration", "lock_nanoseconds", 4096),
    ],
)
def test_each_profile_is_called_what_pyroscope_calls_it(
    profile: str, application: str, units: str, value: int
) -> None:
    weights = None if profile == "wall" else {("a",): 4096}
    request = ingest(window(profile=profile, samples={("a",): 2}, weights=weights))
    read = read_ingest(request.path, request.body)
    assert (read.application, read.units) == (application, units)
    assert read.stacks == {("a",): value}


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=40), st.text())
def test_no_attribute_becomes_another_label_or_application(
    attributes: dict[str, str], service: str
) -> None:
    it = window(attributes={**attributes, "service.name": service})
    request = ingest(it)
    read = read_ingest(request.path, request.body)
    assert re.fullmatch(r"[a-zA-Z0-9_./-]+\.cpu", read.application)
    assert len(read.labels) <= MAX_LABELS
    assert set(read.labels) <= {label_name(name) for name in it.attributes}


def test_a_hostile_service_name_stays_one_name() -> None:
    attributes = {"service.name": "x.cpu{a=b},&units=bytes#\n", "k8s.pod.name": "p,q=r}s{"}
    request = ingest(window(attributes=attributes))
    application, found = read_name(read_ingest(request.path, request.body).application)
    assert (application, found) == ("x.cpu_a_b___units_bytes__.cpu", {})
    assert read_ingest(request.path, request.body).labels["k8s_pod_name"] == "p_q_r_s_"


def test_of_too_many_attributes_those_that_name_the_workload_stay() -> None:
    attributes = {f"a{number:02}": "x" for number in range(50)} | {"service.name": "checkout"}
    found = labels(attributes)
    assert len(found) == MAX_LABELS
    assert found["service_name"] == "checkout"


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("service.name", "service_name"),
        ("__name__", "name__"),
        ("9", "attribute_9"),
        ("é", "attribute_"),
    ],
)
def test_a_label_is_called_what_prometheus_takes(attribute: str, name: str) -> None:
    assert label_name(attribute) == name


@pytest.mark.parametrize(("profile", "name"), [("cpu", "process_cpu"), ("wall", "wall")])
def test_parca_gets_a_pprof_under_a_name_and_the_workloads_labels(profile: str, name: str) -> None:
    read = read_written(write_raw(window(profile=profile, hz=19)).body)
    assert read.labels == {
        "__name__": name,
        "service_name": "checkout",
        "deployment_environment_name": "production",
        "profiler": "py-spy",
    }
    assert read.pprof.period == 52_631_578
    assert sum(read.pprof.values["samples", "count"]) == 4
