"""Which processes make one workload, and which matter."""

from __future__ import annotations

from typing import Any

import pytest

from host.discovery.conftest import CHECKOUT, PYTHON, Discover, found, services
from host.discovery.proc_tree import CONTAINER, ProcTree
from upshift_agent.contract import node_of


def test_a_server_and_its_workers_are_one_instance(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "python3", "checkout.py", exe=PYTHON)
    tree.add(71, "python3", "checkout.py", exe=PYTHON, parent=70)
    tree.add(72, "python3", "-c", "worker", exe=PYTHON, parent=71)
    tree.add(80, "python3", "checkout.py", exe=PYTHON)
    first, second = found(discover(CHECKOUT))
    assert [it.pid for it in first.processes] == [70, 71, 72]
    assert [it.pid for it in second.processes] == [80]


def test_a_worker_that_comes_later_joins_its_workload(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "python3", "checkout.py", exe=PYTHON)
    discovery = discover(CHECKOUT)
    found(discovery)
    (key,) = discovery.workloads
    tree.add(71, "python3", "checkout.py", exe=PYTHON, parent=70)
    found(discovery, 10.0)
    assert [it.pid for it in discovery.workloads[key].processes] == [70, 71]


def test_a_shell_is_no_workload_though_its_command_line_fits(
    tree: ProcTree, discover: Discover
) -> None:
    tree.add(70, "sh", "-c", "python3 checkout.py", exe="/usr/bin/dash")
    tree.add(71, "python3", "checkout.py", exe=PYTHON, parent=70)
    (workload,) = found(discover(CHECKOUT))
    assert [it.pid for it in workload.processes] == [71]


def test_a_service_of_its_own_inside_another_is_told_apart(
    tree: ProcTree, discover: Discover
) -> None:
    tree.add(70, "python3", "checkout.py", exe=PYTHON, environ={"OTEL_SERVICE_NAME": "a"})
    tree.add(71, "x", parent=70, environ={"OTEL_SERVICE_NAME": "a"})
    tree.add(72, "y", parent=70, environ={"OTEL_SERVICE_NAME": "sidecar"})
    workloads = found(discover(CHECKOUT))
    assert {
        it.attributes["service.name"]: [one.pid for one in it.processes] for it in workloads
    } == {"checkout": [70], "sidecar": [72]}


def test_each_language_of_an_instance_is_a_workload_and_native_helpers_are_none(
    tree: ProcTree, discover: Discover
) -> None:
    inside = {"cgroup": f"/docker/{CONTAINER}", "environ": {"OTEL_SERVICE_NAME": "shop"}}
    tree.add(70, "python3", exe=PYTHON, **inside)
    tree.add(71, "java", exe="/opt/java/bin/java", **inside)
    tree.add(72, "ffmpeg", **inside)
    workloads = found(discover())
    assert [(it.language, it.processes[0].pid) for it in workloads] == [
        ("python", 70),
        ("java", 71),
    ]
    assert {it.attributes["container.id"] for it in workloads} == {CONTAINER}
    assert {it.attributes["service.instance.id"] for it in workloads} == {CONTAINER[:12]}


def test_a_unit_makes_its_processes_one_workload(tree: ProcTree, discover: Discover) -> None:
    for pid in (70, 71):
        tree.add(pid, "worker", cgroup=r"/system.slice/system-shop.slice/shop\x2dcart.service")
    (workload,) = found(discover("workloads: [{service: cart, unit: shop-cart.service}]\n"))
    assert [it.pid for it in workload.processes] == [70, 71]


def test_a_port_makes_whoever_listens_on_it_a_workload(tree: ProcTree, discover: Discover) -> None:
    discovery = discover("workloads: [{service: gateway, port: 8080}]\n")
    tree.add(70, "gateway")
    tree.add(71, "other")
    assert services(discovery) == []
    tree.listen(70, 8080, inode=4711)
    (workload,) = found(discovery, 10.0)
    assert workload.processes[0].pid == 70


def test_all_that_an_entry_names_must_fit(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "python3", "checkout.py", cgroup="/system.slice/other.service")
    entry = "workloads: [{service: a, command: checkout, unit: checkout.service}]\n"
    assert services(discover(entry)) == []


def test_the_first_entry_that_fits_names_the_service(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "python3", "checkout.py")
    both = "workloads: [{service: a, command: checkout}, {service: b, command: python}]\n"
    assert services(discover(both)) == ["a"]


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ('service_name=~"cart|checkout"', ["cart", "checkout"]),
        ('"service.name"="cart"', ["cart"]),
        ('team=""', ["cart", "checkout", "mail"]),
        ('service_name!="mail", service_name!="cart"', ["checkout"]),
    ],
)
def test_select_says_which_services_matter(
    tree: ProcTree, discover: Discover, select: str, expected: list[str]
) -> None:
    for pid, name in enumerate(("cart", "checkout", "mail"), 70):
        tree.add(pid, "app", environ={"OTEL_SERVICE_NAME": name})
    assert services(discover(f"select: ['{select}']\n")) == expected


def test_on_kubernetes_the_node_is_also_named_as_such(tree: ProcTree, discover: Discover) -> None:
    tree.add(70, "app", environ={"OTEL_SERVICE_NAME": "cart"})
    (workload,) = found(discover(KUBERNETES_SERVICE_HOST="10.0.0.1"))
    assert workload.attributes["k8s.node.name"] == "worker-3"


def test_processes_that_vanish_in_the_middle_of_a_look_are_nothing(
    tree: ProcTree, discover: Discover, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.add(70, "python3", "checkout.py")
    environment = tree.procfs.environment

    def vanishes(pid: int) -> dict[str, str]:
        tree.end(pid)
        return environment(pid)

    monkeypatch.setattr(tree.procfs, "environment", vanishes)
    discovery: Any = discover(CHECKOUT)
    assert services(discovery) == []


def test_what_a_process_says_of_itself_is_bounded(tree: ProcTree, discover: Discover) -> None:
    said = ",".join(f"{'n' * 300}{number}={'v' * 300}" for number in range(300))
    tree.add(70, "app", environ={"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": said})
    (workload,) = found(discover())
    assert workload.attributes["service.name"] == "cart"
    assert sum(len(name) + len(it) for name, it in workload.attributes.items()) < 32_768


def test_where_a_process_runs_its_containers_manager_knows_better(
    tree: ProcTree, discover: Discover
) -> None:
    said = "k8s.namespace.name=bank,service.version=2"
    environ = {"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": said}
    tree.add(70, "app", cgroup=f"/docker/{CONTAINER}", environ=environ)
    known = {"service.name": "app", "service.version": "1", "k8s.namespace.name": "shop"}
    discovery = discover()
    for now in (0.0, 2.0):
        discovery.look(now, {CONTAINER: known})
    (workload,) = discovery.workloads.values()
    assert workload.attributes["k8s.namespace.name"] == "shop"
    assert workload.attributes["service.name"] == "cart"
    assert workload.attributes["service.version"] == "2"


@pytest.mark.parametrize("environ", [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}])
@pytest.mark.parametrize(
    "said",
    [
        "k8s.node.name=elsewhere",
        "k8s.pod.name=mine",
        "host.name=elsewhere,k8s.pod.name=mine,k8s.node.name=elsewhere",
        ",".join(f"a{number}=b" for number in range(100)) + ",k8s.pod.name=mine",
    ],
)
def test_whatever_a_process_says_it_is_on_the_node_that_it_is_on(
    tree: ProcTree, discover: Discover, said: str, environ: dict[str, str]
) -> None:
    """Or a cap on the node would miss it."""
    tree.add(70, "app", environ={"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": said})
    (workload,) = found(discover(**environ))
    assert node_of(workload.attributes) == "worker-3"
