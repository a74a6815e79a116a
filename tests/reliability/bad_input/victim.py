"""A controller that is sent bad input, and what it must never do."""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis
import requests

from servers import HttpServer, free_port, redis_server

from ..table import Row

WEBHOOK = "/api/v1/webhook/alertmanager"
PROMISED = "no 500, no crash, nothing changed by what is refused"
#: `upshift serve`, less patient than it is, so that a test need not wait for it.
SERVE = """
import sys
from upshift_controller.web import listener, route
listener.IDLE_S, route.BODY_S = 2.0, 1.0
from upshift_controller.cli import main
main()
"""


@dataclass
class Victim:
    """A controller, its Redis, and what became of what it was sent."""

    server: HttpServer
    redis: redis.Redis
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _digest: str | None = None

    @property
    def url(self) -> str:
        return self.server.url

    def digest(self) -> str:
        """Of all states and plans: whatever a request may change."""
        keys = sorted(self.redis.scan_iter("upshift:v1:*", count=1000, _type="STRING"))
        found = zip(keys, self.redis.mget(keys), strict=True) if keys else ()
        return hashlib.sha256(repr(list(found)).encode()).hexdigest()

    def try_(self, what: str, send: Callable[[], requests.Response]) -> int:
        """Send something, and hold the answer against the promise."""
        before = self._digest = self._digest or self.digest()
        try:
            answer = send()
        except requests.RequestException as error:
            self.broken.append(f"{what}: no answer ({error!r})")
            return 0
        self.statuses[answer.status_code] += 1
        if answer.status_code >= 500:
            self.broken.append(f"{what}: {answer.status_code} {answer.text[:200]}")
        if answer.status_code < 400:
            self._digest = None
        elif self.digest() != before:
            self.broken.append(f"{what}: {answer.status_code}, and yet something changed")
        return answer.status_code

    def check(self) -> None:
        """It is alive, serves, and has logged no defect of its own."""
        assert self.server.process is not None
        if self.server.process.poll() is not None:
            self.broken.append(f"the controller ended with {self.server.process.returncode}")
        elif requests.get(f"{self.url}/-/ready", timeout=10).status_code != 200:
            self.broken.append("the controller is not ready any more")
        log = self.server.log.read_text()
        self.broken += re.findall(r".*(?:request failed|commit failed|died|Traceback).*", log)[:5]

    def rss_mib(self) -> float:
        assert self.server.process is not None
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def row(self, fault: str, promised: str = PROMISED) -> Row:
        self.check()
        counts = sorted(self.statuses.items())
        answers = ", ".join(f"{count:,} × {status}" for status, count in counts)
        return Row(
            fault=fault,
            injected=self.statuses.total(),
            promised=promised,
            worst=answers,
            broken=self.broken,
        )


@contextmanager
def victim(folder: Path) -> Iterator[Victim]:
    with redis_server(folder / "redis") as store, store.client() as client:
        port = free_port()
        command = [sys.executable, "-c", SERVE, "serve", "--listen", f"127.0.0.1:{port}"]
        server = HttpServer([*command, "--redis", store.url], port, folder / "controller.log")
        server.start()
        try:
            yield Victim(server, client)
        finally:
            server.stop()
