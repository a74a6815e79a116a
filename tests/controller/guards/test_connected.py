"""What stands in the place of Prometheus may be anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from controller.guards.pretending import Pretending, number
from servers import free_port
from upshift_controller.errors import BadQuery, NoAnswer
from upshift_controller.sections.prometheus import Prometheus
from upshift_controller.sources.prometheus import connected
from upshift_controller.sources.prometheus.answers import read_answer
from upshift_controller.sources.prometheus.connected import MAX_BYTES, Connected

Raw = Callable[[Any], None]


def drips(at: Any) -> None:
    at.send_response(200)
    at.send_header("Content-Length", "1000000")
    at.end_headers()
    for _ in range(200):
        at.wfile.write(b" ")
        time.sleep(0.02)


def endless(at: Any) -> None:
    at.send_response(200)
    at.send_header("Connection", "close")
    at.end_headers()
    for _ in range(10_000):
        at.wfile.write(b" " * 65_536)


def packed(at: Any) -> None:
    at.send_response(200)
    at.send_header("Content-Encoding", "gzip")
    at.send_header("Content-Length", "20")
    at.end_headers()
    at.wfile.write(b"\x1f\x8b" + b"\x00" * 18)


def elsewhere(at: Any) -> None:
    at.send_response(302)
    at.send_header("Location", "/login")
    at.send_header("Content-Length", "0")
    at.end_headers()


def hangs_up(at: Any) -> None:
    at.close_connection = True
    at.connection.close()


def says(body: bytes, kind: str = "application/json", status: int = 200) -> Raw:
    return lambda at: at.write(body, kind, status)


ANYTHING: dict[str, tuple[Raw, str]] = {
    "a page": (says(b"<html>Sign in</html>", "text/html"), "no Prometheus"),
    "an object": (says(b"{}"), "no Prometheus"),
    "a list": (says(b'{"data": []}'), "no Prometheus"),
    "no list": (says(b'{"data": {"result": {}}}'), "no Prometheus"),
    "nested deep": (says(b"[" * 100_000), "no Prometheus"),
    "no text": (says(b"\xff\xfe\x00"), "no Prometheus"),
    "nothing": (says(b""), "no Prometheus"),
    "10 MB": (says(b" " * 10 * 1024 * 1024), "more than 1 MiB"),
    "without end": (endless, "more than 1 MiB"),
    "packed": (packed, "no Prometheus"),
    "elsewhere": (elsewhere, "HTTP status 302"),
    "hangs up": (hangs_up, "cannot be reached|no Prometheus"),
    "401": (says(b"no", status=401), "HTTP status 401"),
    "503": (says(b"no", status=503), "HTTP status 503"),
    "400": (says(b"<html>", status=400), "no Prometheus"),
    "drips": (drips, "has not answered within"),
}


@pytest.mark.parametrize(("raw", "why"), ANYTHING.values(), ids=ANYTHING)
def test_what_is_no_prometheus_is_no_answer_and_says_why(
    server: Pretending, raw: Raw, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if raw is drips:
        monkeypatch.setattr(connected, "PATIENCE_S", 0.1)
    server.raw = raw
    with pytest.raises(NoAnswer, match=why):
        read_answer(Connected(Prometheus(server.url))("up"))


def test_one_that_is_slow_is_given_up(server: Pretending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connected, "PATIENCE_S", 0.1)
    server.opens.clear()
    with pytest.raises(NoAnswer, match="has not answered within"):
        Connected(Prometheus(server.url))("up")


@pytest.mark.parametrize("host", ["127.0.0.1", "[127.0.0.1", "\u2100"])
def test_nobody_there_is_said_without_the_password(host: str) -> None:
    url = f"http://ann:hunter2@{host}:{free_port()}"
    with pytest.raises(NoAnswer, match=r"cannot be reached|no Prometheus") as refused:
        Connected(Prometheus(url))("up")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(Prometheus(url))


def test_a_query_that_it_refuses_is_the_querys_fault(server: Pretending) -> None:
    server.says = lambda _: 1 / 0
    with pytest.raises(BadQuery, match="Prometheus refuses it: division by zero"):
        Connected(Prometheus(server.url))("up")


def test_an_answer_just_small_enough_is_read(server: Pretending) -> None:
    body = b'{"data": {"result": []}}'
    server.raw = lambda at: at.write(body + b" " * (MAX_BYTES - len(body)), "application/json")
    assert Connected(Prometheus(server.url))("up") == []


def test_a_token_is_not_replaced_by_what_a_netrc_says(
    server: Pretending, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (netrc := tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.says = lambda _: number(1)
    Connected(Prometheus(server.url, token="mine"))("up")
    assert server.headers[0]["Authorization"] == "Bearer mine"


def test_a_connection_is_kept_for_the_next_question(server: Pretending) -> None:
    seen = set()
    server.raw = lambda at: (
        seen.add(at.client_address),
        at.answer({"data": {"result": number(1)}}),
    )
    ask = Connected(Prometheus(server.url))
    for _ in range(3):
        ask("up")
    assert len(seen) == 1
