"""Debian's Chromium before a controller of its own, as a process, over a real Valkey."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from controller.conftest import alert, notification
from controller.limiting import KEYS, at_rest
from servers import HttpServer, RedisServer, free_port, http_server, redis_server
from upshift_agent.contract import CPU, FLEET, Applied, Confirmed, encode_status

OPERATOR, VIEWER = "operator-0123456789abcdef", "viewer-0123456789abcdef"
TOKENS = {"ann": ("operator", OPERATOR), "vic": ("viewer", VIEWER)}
SAMPLING = """\
limits: {max_boosted_agents: unlimited}
sampling:
  default: 19
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m}
"""


@dataclass
class Site:
    """A controller, its files and its Redis."""

    server: HttpServer
    valkey: RedisServer
    config: Path

    @property
    def url(self) -> str:
        return self.server.url

    def alert(self, **labels: str) -> None:
        """What fires, for the service `service_name`."""
        named = {"alertname": "HighCPU", **labels}
        told = notification(alert(named, fingerprint=str(abs(hash(tuple(named.values()))))))
        self.ask("POST", "/api/v1/webhook/alertmanager", json=told)

    def ask(self, method: str, path: str, token: str = OPERATOR, **more: Any) -> requests.Response:
        """The API's answer, which must be a success."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, self.url + path, headers=headers, timeout=10, **more)
        answer.raise_for_status()
        return answer

    def leases(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "/api/v1/leases").json()["leases"])

    def agents(self, service: str, count: int, **changes: Any) -> None:
        """Agents of a service that say that they are at their baseline."""
        with self.valkey.client() as client:
            now_ms = int(client.time()[0]) * 1000
            newest = {FLEET: 2**52}  # whatever the plan's revision is
            report = client.pipeline(transaction=False)
            for number in range(count):
                name = f"{service}-{number}"
                attributes = {"service.name": service, "service.instance.id": name}
                rest = at_rest(name, attributes, now_ms)
                applied = Applied(revs=newest, at_ms=now_ms, profiles={CPU: Confirmed(hz=19)})
                status = replace(rest, **{"applied": applied, **changes})
                key = KEYS.agents(f"service/{service}")
                report.hset(key, status.instance, encode_status(status))
            report.zadd(KEYS.reporting, {f"service/{service}": now_ms})
            report.execute()


Serve = Callable[..., AbstractContextManager[Site]]


@contextmanager
def site(
    folder: Path, valkey: RedisServer, *, tokens: bool = True, more: str = ""
) -> Iterator[Site]:
    """more: of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    text = f"redis: {valkey.url}\n{SAMPLING}{more}"
    if tokens:
        text += "tokens:\n"
        for name, (role, secret) in TOKENS.items():
            (folder / name).write_text(secret)
            text += f"  - {{name: {name}, role: {role}, file: {folder / name}}}\n"
    (config := folder / "upshift.yaml").write_text(text)
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve", "--config", str(config)]
    with http_server(folder, port, *command, "--listen", f"127.0.0.1:{port}") as server:
        yield Site(server, valkey, config)


@pytest.fixture
def here(tmp_path: Path, valkey: RedisServer) -> Iterator[Site]:
    """A controller with an operator's and a viewer's token."""
    with site(tmp_path / "here", valkey) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for a module: it comes with an event loop, which other modules' tests have to miss."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """A page in a context of its own, signed in at a site with a token. What its scripts complain
    of, Content Security Policy included, fails the test, and so does a request to anybody else."""
    contexts, complaints = [], []

    def opened(at: Site | None = None, token: str | None = OPERATOR, **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
        if at is not None:
            page.on(
                "console",
                lambda message: (
                    "Content Security Policy" in message.text and complaints.append(message.text)
                ),
            )
            page.on(
                "request",
                lambda request: (
                    request.url.startswith(at.url)
                    or complaints.append(f"asked somebody else: {request.url}")
                ),
            )
            if token is not None:
                sign_in(page, at, token)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def sign_in(page: Page, at: Site, token: str) -> None:
    page.goto(f"{at.url}/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{at.url}/")


@pytest.fixture(scope="module")
def open_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A controller without tokens, one for a module."""
    folder = tmp_path_factory.mktemp("open")
    with redis_server(folder / "valkey") as valkey, site(folder, valkey, tokens=False) as found:
        yield found
