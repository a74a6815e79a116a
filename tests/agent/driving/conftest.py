"""A real pyroscope-io that sends to a receiver of the test's own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from upshift_agent import Decision, Profile
from upshift_agent.contract import Lease
from upshift_agent.drivers.pyroscope import PyroscopeDriver

ATTRIBUTES = {"service.name": "checkout", "service.instance.id": "seven", "process.pid": "1"}


@pytest.fixture
def received() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a receiver, and the profiles pushed to it."""
    profiles: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # http.server's own name
            profiles.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}", profiles
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def profiler(received: tuple[str, list[bytes]]) -> Iterator[PyroscopeDriver]:
    profiler = PyroscopeDriver(server_address=received[0], tags={"region": "north"})
    profiler.identify(ATTRIBUTES)
    yield profiler
    profiler.close()


def at(hz: int, wall: int = 0, alloc: int = 0) -> dict[Profile, Decision]:
    """wall and alloc are raised by leases."""
    return {"cpu": Decision(hz=hz), "wall": raised(wall), "alloc": raised(alloc)}


def raised(hz: int) -> Decision:
    boost = Lease(id="b/1", kind="boost", hz=hz, since_ms=0, expires_at_ms=1)
    return Decision(hz=hz, lease=boost if hz else None)


def capped(hz: int) -> Decision:
    cap = Lease(id="cap/1", kind="cap", hz=hz, since_ms=0, expires_at_ms=1)
    return Decision(hz=hz, lease=cap)
