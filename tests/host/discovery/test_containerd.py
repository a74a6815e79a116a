"""What containerd knows of a container: asked over a socket, and it may answer badly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.discovery.naming import containerd, grpc
from upshift_host.discovery.naming.containerd import Container, container, names

ID, SANDBOX = "ab" * 32, "cd" * 32
POD = {
    "io.kubernetes.pod.name": "checkout-7d9f-x2x",
    "io.kubernetes.pod.namespace": "shop",
    "io.kubernetes.pod.uid": "2f6c1c5e-0000-0000-0000-000000000000",
}


def text(number: int, value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def written(one: Container) -> bytes:
    labels = (text(1, name) + text(2, value) for name, value in one.labels.items())
    besides = text(5, text(1, "a type") + text(2, "x" * 300)) + b"\x48\x96\x01"
    parts = b"".join(text(2, entry) for entry in labels)
    return text(1, one.id) + parts + text(3, one.image) + besides


def test_a_container_is_read_as_it_was_written() -> None:
    one = Container(ID, "docker.io/shop/checkout:1.4", {"nerdctl/name": "checkout", "x": "é"})
    assert container(written(one)) == one


def test_nerdctls_name_is_the_service_and_composes_service_comes_before_it() -> None:
    one = Container(ID, "cart:1", {"nerdctl/name": "shop-cart-1"})
    assert names([one])[ID] == {
        "service.name": "shop-cart-1",
        "container.name": "shop-cart-1",
        "container.image.name": "cart:1",
    }
    labels = {**one.labels, "com.docker.compose.service": "cart"}
    assert names([Container(ID, "", labels)])[ID]["service.name"] == "cart"


def test_of_kubernetes_the_pods_labels_are_on_its_sandbox() -> None:
    labels = {"app.kubernetes.io/name": "checkout", "app.kubernetes.io/version": "1.4.2"}
    sandbox = Container(SANDBOX, "pause", {"io.cri-containerd.kind": "sandbox", **POD, **labels})
    app = Container(ID, "", {"io.kubernetes.container.name": "app", **POD})
    assert names([app, sandbox])[ID] == {
        "service.name": "checkout",
        "service.version": "1.4.2",
        "k8s.namespace.name": "shop",
        "k8s.pod.name": "checkout-7d9f-x2x",
        "k8s.pod.uid": "2f6c1c5e-0000-0000-0000-000000000000",
        "k8s.container.name": "app",
    }
    assert "service.name" not in names([app])[ID]


@given(st.binary(max_size=200))
def test_what_is_no_protobuf_is_a_value_error_and_nothing_else(message: bytes) -> None:
    try:
        said = names([container(message)])
    except ValueError:
        return
    assert all(isinstance(it, str) for known in said.values() for it in known.values())


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def told(message: bytes) -> bytes:
    """An answer as a server may send it: among other frames, in pieces, one of them padded."""
    whole = struct.pack(">BI", 0, len(message)) + message
    return (
        frame(4, 0, 0, b"")
        + frame(4, 1, 0, b"")
        + frame(6, 0, 0, b"12345678")
        + frame(1, 4, 1, b"\x88")
        + frame(0, 0, 1, whole[:3])
        + frame(0, 8, 1, b"\x02" + whole[3:] + b"\0\0")
        + frame(1, 5, 1, b"\x88")
    )


@contextmanager
def serving(path: Path, answers: Mapping[bytes, bytes]) -> Iterator[list[bytes]]:
    """Answers who asks for a method that is in its request, and hears all that was said."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    asked = connection.recv(65_536)
                    heard.append(asked)
                    for method, answer in answers.items():
                        if method in asked:
                            connection.sendall(answer)
                    connection.settimeout(0.3)
                    while True:
                        try:
                            more = connection.recv(65_536)
                        except OSError:
                            break
                        if not more:
                            break
                        heard[-1] += more

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.servers
def test_it_is_asked_for_the_containers_of_each_namespace_but_dockers(tmp_path: Path) -> None:
    spaces = text(1, text(1, "moby")) + text(1, text(1, "k8s.io"))
    one = Container(ID, "cart", {"nerdctl/name": "cart"})
    answers = {
        b"Namespaces/List": told(spaces),
        b"Containers/List": told(text(1, written(one))),
    }
    with serving(tmp_path / "c.sock", answers) as heard:
        found = containerd.ask(tmp_path / "c.sock")
    assert found[ID]["service.name"] == "cart"
    assert len(heard) == 2
    assert heard[0].startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert b"containerd-namespace\x06k8s.io" in heard[1]
    assert frame(6, 1, 0, b"12345678") in heard[0]


@pytest.mark.servers
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(70_000),
        frame(7, 0, 0, bytes(8)),
        frame(3, 0, 1, bytes(4)),
        frame(1, 5, 1, b"\x88"),  # trailers alone: an error
        frame(0, 1, 1, b"\0\0\0\0\x09short"),
        frame(0, 8, 1, b""),
        frame(0, 8 + 1, 1, b"\xff\0"),
    ],
)
def test_a_bad_answer_is_an_os_error(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc, "TIMEOUT_S", 0.2)
    said = "ends|closes|answer|timed out"
    with serving(tmp_path / "c.sock", {b"Namespaces": answer}), pytest.raises(OSError, match=said):
        containerd.ask(tmp_path / "c.sock")
