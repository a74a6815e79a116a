"""Secrets never reach a log, an answer, an error or `/metrics`: canaries are looked for."""

from __future__ import annotations

import logging
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from controller.conftest import WEBHOOK, alert, notification
from security import processes
from security.users import Users, server_with_users
from servers import eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.contract.address import parse_address
from upshift_agent.contract.errors import ConfigurationError
from upshift_controller.configuration import built_in
from upshift_controller.errors import Unavailable
from upshift_controller.storage.connect import Servers
from upshift_controller.storage.store import Store
from upshift_controller.web.auth import Caller, Tokens

CANARY = "canary-5f2b7c"
PASSWORD = f"{CANARY}-password"


def upshift(folder: Path, *arguments: str) -> str:
    """Everything that the command says before it fails."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "upshift_controller", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "settings",
    [
        f"redis: {{url: 'redis://:{CANARY}@x'}}",
        f"redis: [{CANARY}]",
        f"redis: 'redis://:{CANARY}@x:port'",
        f"redis: '{CANARY}@x'",
        f"redis: 'http://{CANARY}@x'",
        f"tokens: {CANARY}",
        f"tokens: [{CANARY}]",
        f"tokens: [{{name: a, role: viewer, token: {CANARY}}}]",
        f"tokens: [{{name: a, role: {CANARY}, file: x}}]",
        f"tokens: [{{name: a, role: viewer, file: [{CANARY}]}}]",
        f"secret_file: [{CANARY}]",
        f"secret: {CANARY}",
        f"prometheus: [{CANARY}]",
        f"prometheus: {{url: 'ftp://ann:{CANARY}@x'}}",
        f"prometheus: {{url: 'http://x', token_file: [{CANARY}]}}",
        "tokens: [{name: a, role: viewer, file: short}]",
        "secret_file: short",
        "tls: {certificate: short, key: short}",
    ],
)
def test_what_serve_cannot_start_with_is_said_without_the_secret(
    tmp_path: Path, settings: str
) -> None:
    (tmp_path / "short").write_text(f"{CANARY}"[:13])
    (tmp_path / "upshift.yaml").write_text(settings)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["check", "upshift.yaml"]):
        if command[0] == "check" and ("'" in settings or "short" in settings):
            continue  # nothing is wrong with the file itself
        said = upshift(tmp_path, *command)
        assert CANARY not in said
        assert said.strip()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Users]:
    with server_with_users(tmp_path / "redis") as server:
        with server.as_("ADMIN") as admin:
            admin.execute_command("ACL SETUSER", "upshift-controller", f">{PASSWORD}")
        yield server


def test_a_controller_at_work_tells_nobody_its_secrets(server: Users, tmp_path: Path) -> None:
    """Through deliveries, refusals, a bad reload, a broken request, an outage and a wrong login."""
    for name in ("token", "viewer-token", "signing"):
        (tmp_path / name).write_text(f"{CANARY}-{name}-0123456789")
    settings = (
        "secret_file: signing\n"
        "tokens: [{name: op, role: operator, file: token}, "
        "{name: v, role: viewer, file: viewer-token}]\n"
    )
    url = f"redis://upshift-controller:{PASSWORD}@127.0.0.1:{server.port}?client_name={CANARY}"
    right = {"Authorization": f"Bearer {CANARY}-token-0123456789"}
    viewer = {"Authorization": f"Bearer {CANARY}-viewer-token-0123456789"}
    wrong = {"Authorization": f"Bearer {CANARY}-guessed"}
    said = []
    with processes.controller(tmp_path, url, settings) as controller:

        def ask(method: str, path: str, **options: object) -> int:
            answer = requests.request(method, controller.url + path, timeout=10, **options)  # type: ignore[arg-type]
            said.append(answer.text + str(answer.headers))
            return answer.status_code

        assert ask("POST", WEBHOOK, headers=right, json=notification(alert())) == 200
        assert ask("POST", WEBHOOK, headers=wrong, json=notification(alert())) == 401
        assert ask("POST", "/api/v1/leases", headers=viewer, json={}) == 403
        assert ask("POST", "/api/v1/leases", headers=right, data="{") == 415
        for path in ("targets", "agents", "history", "leases", "openapi.json"):
            assert ask("GET", f"/api/v1/{path}", headers=right) == 200
        assert ask("GET", "/metrics", headers=right) == 200
        said.append(broken_request(controller.port))
        (tmp_path / "token").write_text(CANARY[:5])
        assert ask("POST", "/-/reload", headers=right) == 422
        with server.as_("ADMIN") as admin:
            admin.execute_command("ACL SETUSER", "upshift-controller", f"<{PASSWORD}")
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert ask("POST", WEBHOOK, headers=right, json=notification(alert())) == 503
        eventually(lambda: ask("GET", "/-/ready") == 503)  # it may be known for a second
        assert controller.process is not None
        controller.process.send_signal(signal.SIGHUP)
        eventually(lambda: controller.said("reload refused; the configuration in force stays") == 2)
        said.append(controller.log.read_text())
    lines = [line for text in said for line in text.splitlines()]
    assert not [line for line in lines if CANARY in line]


def broken_request(port: int) -> str:
    """A header without a colon, which aiohttp complains about in words of its own."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {CANARY}\r\n\r\n"
        client.sendall(head.encode())
        # What is sent back to the sender itself is its own business; the log is ours.
        client.recv(1000)
    return ""


class OldRedis(socketserver.StreamRequestHandler):
    """Answers a login as Redis 5 answers HELLO: by repeating it."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                self.rfile.readline()
                words.append(self.rfile.readline().strip().decode())
            told = " ".join(f"`{word}`," for word in words[1:])
            answer = f"-ERR unknown command `{words[0]}`, with args beginning with: {told}\r\n"
            self.wfile.write(answer.encode())


@pytest.fixture
def old_redis() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldRedis) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://:{PASSWORD}@127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def test_a_server_that_repeats_the_login_makes_no_controller_repeat_it(
    old_redis: str,
) -> None:
    servers = Servers(old_redis)
    with pytest.raises(Unavailable) as refused:
        await Store(servers, Keys()).probe()
    await servers.aclose()
    assert "unknown command" in refused.value.detail
    assert CANARY not in refused.value.detail


@pytest.mark.parametrize("why", ["repeats", "wrong password"])
def test_an_agents_log_never_holds_its_password(
    why: str, old_redis: str, server: Users, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url_of("AGENT").replace("password-of-AGENT", PASSWORD)
    url = old_redis if why == "repeats" else url
    with (
        caplog.at_level(logging.DEBUG, "upshift_agent"),
        Agent(redis_url=url, service="a", driver=print, secrets=f"{CANARY}-secret") as agent,
    ):
        eventually(lambda: "no connection" in caplog.text)
        assert CANARY not in repr(agent.__dict__)
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{CANARY}@host:6379/0",
        f"redis://user:{CANARY}@host",
        f"redis://host?password={CANARY}",
        f"redis://host?password=a@{CANARY}",
        f"rediss://host:1?ssl_password={CANARY}",
        f"unix://:{CANARY}@/run/redis.sock?db=1",
        f"redis://:{CANARY}?x@host",
        f"redis://[::1?{CANARY}",
    ],
)
def test_a_url_is_shown_without_its_password(url: str) -> None:
    with suppress(ConfigurationError):  # which never holds it, see tests/agent/test_address.py
        address = parse_address(url)
        assert CANARY not in f"{address.public} {address.shown} {address!r}"


def test_settings_are_printed_without_secrets() -> None:
    configuration = built_in(redis=f"redis://:{CANARY}@x")
    tokens = Tokens(((CANARY.encode(), Caller("a", frozenset())),))
    assert CANARY not in repr(tokens)
    assert CANARY not in repr(configuration)
