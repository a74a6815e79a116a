"""What Docker and Kubernetes call a container: asked over a real socket, and not all the time."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import BaseServer, UnixStreamServer
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from host.discovery.proc_tree import CONTAINER
from upshift_host.discovery.naming import docker, kubernetes
from upshift_host.discovery.naming.asking import PAUSE_S, SELDOM_S, SOON_S, Naming

DOCKERS = [
    {
        "Id": CONTAINER,
        "Names": ["/shop-checkout-1"],
        "Image": "shop/checkout:1.4",
        "Labels": {"com.docker.compose.service": "checkout"},
    },
    {"Id": "aa" * 32, "Names": ["/cart"], "Image": "cart", "Labels": None},
]
PODS = {
    "items": [
        {
            "metadata": {
                "name": "checkout-7d9f-x2x",
                "namespace": "shop",
                "uid": "2f6c1c5e-0000-0000-0000-000000000000",
                "labels": {
                    "app.kubernetes.io/name": "checkout",
                    "app.kubernetes.io/version": "1.4.2",
                },
            },
            "status": {
                "containerStatuses": [
                    {"name": "app", "containerID": f"containerd://{CONTAINER}"},
                    {"name": "waiting"},
                ]
            },
        },
        {"metadata": {"name": "plain", "namespace": "bank"}, "status": {}},
    ]
}
NAMED = {
    "service.name": "checkout",
    "service.version": "1.4.2",
    "k8s.namespace.name": "shop",
    "k8s.pod.name": "checkout-7d9f-x2x",
    "k8s.pod.uid": "2f6c1c5e-0000-0000-0000-000000000000",
    "k8s.container.name": "app",
}


class Answering(BaseHTTPRequestHandler):
    answer: Any = None
    asked: list[tuple[str, str | None]] = []  # noqa: RUF012  # each test has a class of its own

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.answer).encode())

    def address_string(self) -> str:
        return "a socket has no address"

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(answer: Any) -> type[Answering]:
    return type("Mine", (Answering,), {"answer": answer, "asked": []})


def test_docker_is_asked_over_its_socket(tmp_path: Path) -> None:
    handler = answering(DOCKERS)
    path = tmp_path / "docker.sock"
    with serving(UnixStreamServer(str(path), handler)):
        found = docker.ask(path)
    assert handler.asked == [("/containers/json", None)]
    assert found == {
        CONTAINER: {
            "service.name": "checkout",
            "container.name": "shop-checkout-1",
            "container.image.name": "shop/checkout:1.4",
        },
        "aa" * 32: {
            "service.name": "cart",
            "container.name": "cart",
            "container.image.name": "cart",
        },
    }


def test_kubernetes_is_asked_for_the_pods_of_this_node(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("of-the-account\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    handler = answering(PODS)
    server = HTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server):
        url = f"https://127.0.0.1:{server.server_address[1]}"
        found = kubernetes.ask(url, "worker-3", tmp_path)
    assert handler.asked == [
        ("/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-3", "Bearer of-the-account")
    ]
    assert found == {CONTAINER: NAMED}


def test_the_kubernetes_api_is_where_a_pod_is_told() -> None:
    assert kubernetes.url_of({}) is None
    assert kubernetes.url_of({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}) == "https://10.0.0.1:443"
    v6 = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    assert kubernetes.url_of(v6) == "https://[fd00::1]:6443"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("items", "metadata", "status", "labels", "containerStatuses", "name"),
                    *("containerID", "app.kubernetes.io/name", "Id", "Names", "Labels", "Image"),
                )
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_a_manager_answers_names_are_text(answer: Any) -> None:
    for found in (docker.names(answer), kubernetes.names(answer)):
        for container, said in found.items():
            assert isinstance(container, str)
            assert all(isinstance(it, str) and it for pair in said.items() for it in pair)


class Manager:
    def __init__(self) -> None:
        self.known: dict[str, dict[str, str]] = {}
        self.error: Exception | None = None

    def __call__(self) -> Mapping[str, Mapping[str, str]]:
        if self.error is not None:
            raise self.error
        return self.known


@pytest.fixture
def manager() -> Manager:
    return Manager()


def test_nobody_is_asked_until_there_is_a_container_without_a_name(manager: Manager) -> None:
    manager.known = {"a": {"service.name": "cart"}}
    naming = Naming({"Docker": manager}, now=lambda: 0.0)
    assert not naming.due()
    naming.want(["a"])
    assert naming.due()
    naming.ask()
    assert naming.names == {"a": {"service.name": "cart"}}
    assert not naming.due()


def test_a_container_that_nobody_knows_is_asked_for_ever_more_seldom(manager: Manager) -> None:
    now = 0.0
    naming = Naming({"Docker": manager}, now=lambda: now)
    asked = []
    for second in range(200):
        now = float(second)
        naming.want(["a"])
        if naming.due():
            naming.ask()
            asked.append(second)
    assert asked[:3] == [0, PAUSE_S, 2 * PAUSE_S]
    last = SOON_S - PAUSE_S
    assert [it for it in asked if it > last] == [last + SELDOM_S * n for n in (1, 2, 3)]


def test_names_outlast_a_manager_that_does_not_answer(manager: Manager) -> None:
    manager.known = {"a": {"service.name": "cart"}}
    naming = Naming({"Docker": manager})
    naming.want(["a"])
    naming.ask()
    manager.error = OSError("gone")
    naming.want(["a", "b"])
    naming.ask()
    assert naming.names == {"a": {"service.name": "cart"}}


def test_of_a_container_that_is_gone_nothing_is_kept(manager: Manager) -> None:
    manager.known = {"a": {"service.name": "cart"}, "b": {"service.name": "mail"}}
    naming = Naming({"Docker": manager})
    naming.want(["a", "b"])
    naming.ask()
    naming.want(["b", "c"])
    naming.ask()
    assert naming.names == {"b": {"service.name": "mail"}}
