"""Which processes are found, as they come and go, and what names them."""

from __future__ import annotations

import pytest

from host.discovery.conftest import CHECKOUT, PYTHON, Discover, found, services
from host.discovery.proc_tree import ProcTree
from upshift_host.discovery.table import TURNS, YOUNG_S
from upshift_host.workload import Process, Workload


def test_a_command_makes_a_process_a_workload(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "python3", "/srv/checkout.py", exe=PYTHON, start_ticks=500)
    tree.add(71, "sleep", "9")
    (workload,) = found(discover(CHECKOUT + "attributes: {team: shop}\n"))
    assert workload == Workload(
        attributes={
            "service.name": "checkout",
            "team": "shop",
            "host.name": "worker-3",
            "service.instance.id": "worker-3-70-500",
        },
        language="python",
        processes=(Process(70, 500),),
    )


def test_a_process_counts_once_it_has_been_the_same_program_for_a_second(
    tree: ProcTree, discover: Discover
) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "sh", "-c", "exec python3 checkout.py", exe="/bin/sh")
    discovery.look(0.0)
    tree.add(70, "python3", "checkout.py", exe=PYTHON)
    assert not discovery.look(1.0)
    assert discovery.look(2.0)
    assert [it.language for it in discovery.workloads.values()] == ["python"]


def test_a_process_that_ends_is_gone_at_the_next_look(tree: ProcTree, discover: Discover) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "python3", "checkout.py")
    assert services(discovery) == ["checkout"]
    tree.end(70)
    assert discovery.look(2.0)
    assert discovery.workloads == {}


def test_a_zombie_has_ended(tree: ProcTree, discover: Discover) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "python3", "checkout.py")
    assert services(discovery, 100.0) == ["checkout"]
    tree.add(70, "python3", "checkout.py", state="Z")
    assert discovery.look(500.0)
    assert discovery.workloads == {}


def test_a_pid_that_is_given_anew_is_another_process(tree: ProcTree, discover: Discover) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "python3", "checkout.py", start_ticks=500)
    assert services(discovery) == ["checkout"]
    tree.replace(70, "python3", "checkout.py", start_ticks=900)
    (workload,) = found(discovery, 50.0)
    assert workload.processes == (Process(70, 900),)


def test_a_pid_that_is_given_to_a_stranger_is_no_workload(
    tree: ProcTree, discover: Discover
) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "python3", "checkout.py", start_ticks=500)
    assert services(discovery) == ["checkout"]
    tree.replace(70, "sleep", "9", start_ticks=900)
    assert services(discovery, 50.0) == []


def test_a_process_that_becomes_a_workload_late_is_found_in_its_turn(
    tree: ProcTree, discover: Discover
) -> None:
    discovery = discover(CHECKOUT)
    tree.add(70, "sh", "wait-then-exec")
    assert services(discovery) == []
    tree.add(70, "python3", "checkout.py", exe=PYTHON)
    for second in range(TURNS + 2):
        discovery.look(YOUNG_S + 100 + second)
    assert len(discovery.workloads) == 1


def test_what_has_not_changed_is_not_read_again(
    tree: ProcTree, discover: Discover, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pid in range(100, 600):
        tree.add(pid, "sleep", "9")
    discovery = discover(CHECKOUT)
    found(discovery)
    read: list[int] = []
    stat = tree.procfs.stat
    monkeypatch.setattr(tree.procfs, "stat", lambda pid: read.append(pid) or stat(pid))
    assert not discovery.look(1000.0)
    assert len(read) == 500 / TURNS


def test_the_environment_of_a_process_names_its_service(tree: ProcTree, discover: Discover) -> None:
    tree.add(
        70,
        "app",
        environ={
            "OTEL_SERVICE_NAME": "cart",
            "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.2,deployment.environment=staging",
        },
    )
    (workload,) = found(discover())
    assert workload.attributes == {
        "service.name": "cart",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
        "host.name": "worker-3",
        "service.instance.id": "worker-3-70-1070",
    }
    assert services(discover("discovery: {environment: false}\n")) == []


def test_attributes_that_cannot_be_read_leave_the_service_its_name(
    tree: ProcTree, discover: Discover
) -> None:
    environ = {"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": "garbage"}
    tree.add(70, "app", environ=environ)
    assert services(discover()) == ["cart"]


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_RESOURCE_ATTRIBUTES": "garbage"},
        {"OTEL_RESOURCE_ATTRIBUTES": "service.name=,team=shop"},
        {"OTEL_SERVICE_NAME": "two\nlines"},
        {"OTEL_SERVICE_NAME": "x" * 300},
        {"OTEL_SERVICE_NAME": "\udcff"},
    ],
)
def test_an_environment_that_cannot_name_a_target_names_none(
    tree: ProcTree, discover: Discover, environ: dict[str, str]
) -> None:
    tree.add(70, "app")
    raw = "".join(f"{name}={value}\0" for name, value in environ.items())
    (tree.root / "70/environ").write_bytes(raw.encode("utf-8", "surrogateescape"))
    assert services(discover()) in ([], ["�"])
