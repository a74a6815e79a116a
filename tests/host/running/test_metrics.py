"""What the host agent tells Prometheus of itself."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from upshift_host.cli.run import shown
from upshift_host.drivers.tally import Counts as Windows
from upshift_host.errors import StartRefused
from upshift_host.profiles.export import Counts as Sent
from upshift_host.running.metrics import Metrics, text

SAID = text(
    3,
    Windows(
        Counter({("py-spy", "cpu"): 7, ("jfr", "alloc"): 2}),
        Counter({("py-spy", "cpu"): 1}),
        Counter({"jfr": 4}),
    ),
    Sent(sent=8, dropped=1, refused=0, queued=5),
)


def test_windows_that_missed_are_counted_beside_all() -> None:
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(SAID)
        for sample in family.samples
    }
    assert found == {
        ("upshift_host_workloads",): 3,
        ("upshift_host_windows_total", "cpu", "py-spy"): 7,
        ("upshift_host_windows_total", "alloc", "jfr"): 2,
        ("upshift_host_windows_missed_total", "cpu", "py-spy"): 1,
        ("upshift_host_windows_missed_total", "alloc", "jfr"): 0,
        ("upshift_host_windows_lost_total", "jfr"): 4,
        ("upshift_host_windows_sent_total",): 8,
        ("upshift_host_windows_refused_total",): 0,
        ("upshift_host_windows_dropped_total",): 1,
        ("upshift_host_windows_queued",): 5,
    }


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    served = Metrics("127.0.0.1:0", lambda: SAID)
    yield served
    served.close()


def get(metrics: Metrics, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.servers
def test_they_are_served_and_nothing_else_is(metrics: Metrics) -> None:
    assert get(metrics, "/metrics") == SAID
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(metrics, "/../etc/passwd")
    assert refused.value.code == 404
    refused.value.close()


@pytest.mark.servers
def test_who_says_nothing_or_goes_away_holds_nobody_up(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upshift_host.running.metrics._Handler.timeout", 0.2)
    with socket.create_connection(("127.0.0.1", metrics.port)) as gone:
        gone.sendall(b"GET /metrics HTTP/1.1\r\n")
    with socket.create_connection(("127.0.0.1", metrics.port)) as garbled:
        garbled.sendall(b"\x16\x03\x01" * 1000 + b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", metrics.port)):
        assert get(metrics, "/metrics") == SAID


@pytest.mark.servers
def test_where_nobody_can_listen_it_says_so(metrics: Metrics) -> None:
    address = f"127.0.0.1:{metrics.port}"
    with pytest.raises(StartRefused, match=rf"cannot be served on {address}: Address already"):
        shown(address, None, None)  # type: ignore[arg-type]  # neither is asked
