"""The exporter: no driver waits for it, and what it drops is counted."""

from __future__ import annotations

import socket
import time

import pytest

from host.profiles.windows import window
from host.receiver import receiving
from servers import eventually, free_port
from upshift_host.profiles.export import Counts, Shipper
from upshift_host.profiles.parca import Parca
from upshift_host.profiles.pyroscope import Pyroscope, ingest


def test_windows_arrive_in_order_with_the_headers_that_were_given() -> None:
    with receiving() as receiver:
        exporter = Pyroscope(f"{receiver.url}/below/", headers={"X-Scope-OrgID": "shop"})
        for hz in (19, 100, 19):
            exporter.send(window(hz=hz))
        exporter.close(5)
        assert [it.hz for it in receiver.ingested()] == [19, 100, 19]
        assert all(path.startswith("/below/ingest?") for path, *_ in receiver.seen)
        assert {headers["X-Scope-OrgID"] for *_, headers in receiver.seen} == {"shop"}
        assert exporter.counts() == Counts(sent=3, dropped=0, refused=0, queued=0)


def test_parca_is_written_to() -> None:
    with receiving() as receiver:
        exporter = Parca(receiver.url)
        exporter.send(window())
        exporter.close(5)
        assert [it.labels["__name__"] for it in receiver.written()] == ["process_cpu"]


def test_what_a_backend_could_not_take_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upshift_host.profiles.export.FIRST_RETRY_S", 0.01)
    with receiving() as receiver:
        receiver.answers += [503, 429]
        exporter = Pyroscope(receiver.url)
        exporter.send(window())
        receiver.wait_for(3)
        eventually(lambda: exporter.counts() == Counts(sent=1, dropped=0, refused=0, queued=0))
        assert exporter.trouble() is None
        exporter.close(1)


def test_what_a_backend_refuses_is_counted_and_not_tried_again() -> None:
    with receiving() as receiver:
        receiver.answers.append(422)
        exporter = Pyroscope(receiver.url)
        exporter.send(window())
        eventually(lambda: exporter.counts().refused == 1)
        assert exporter.trouble() == f"{receiver.url}: 422 no room at all"
        exporter.send(window())
        eventually(lambda: exporter.counts().sent == 1)
        assert exporter.trouble() is None
        exporter.close(1)
        assert len(receiver.seen) == 2


def test_with_no_backend_nobody_waits_and_the_oldest_are_dropped() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    room = len(ingest(window()).body) * 3
    exporter = Shipper(url, ingest, max_queued=room)
    began = time.monotonic()
    for _ in range(20):
        exporter.send(window())
    assert time.monotonic() - began < 0.5
    assert exporter.counts() == Counts(sent=0, dropped=17, refused=0, queued=3)
    eventually(lambda: "Connection refused" in (exporter.trouble() or ""))
    began = time.monotonic()
    exporter.close(2)
    assert time.monotonic() - began < 1
    assert exporter.counts() == Counts(sent=0, dropped=20, refused=0, queued=0)


def test_a_backend_that_comes_back_gets_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upshift_host.profiles.export.FIRST_RETRY_S", 0.05)
    port = free_port()
    exporter = Pyroscope(f"http://127.0.0.1:{port}")
    exporter.send(window(hz=19))
    eventually(exporter.trouble)
    with receiving(port=port) as receiver:
        exporter.send(window(hz=100))
        eventually(lambda: exporter.counts().sent == 2)
        assert [it.hz for it in receiver.ingested()] == [19, 100]
        exporter.close(1)


def test_a_backend_that_never_answers_holds_up_no_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        exporter = Pyroscope(f"http://127.0.0.1:{silent.getsockname()[1]}")
        exporter.send(window())
        began = time.monotonic()
        exporter.close(0.2)
        assert time.monotonic() - began < 1
        assert exporter.counts().dropped == 1


def test_what_is_sent_after_the_end_is_dropped_and_counted() -> None:
    exporter = Pyroscope("http://127.0.0.1:9")
    exporter.close(0)
    exporter.send(window())
    assert exporter.counts() == Counts(sent=0, dropped=1, refused=0, queued=0)


@pytest.mark.parametrize(
    "url", ["", "localhost:4040", "ftp://host", "http://", "http://u:p@host", "http://host/?a=b"]
)
def test_what_is_no_url_of_a_backend_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="backend"):
        Pyroscope(url)
