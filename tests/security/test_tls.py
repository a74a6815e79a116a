"""TLS for the listener, client certificates for the webhook, TLS to Redis on both sides."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from controller.conftest import WEBHOOK, alert, notification
from security import processes
from security.certificates import TOKEN, Files
from servers import RedisServer, alertmanager, eventually, free_port
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.testing import RecordingDriver
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused

OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


SETTINGS = """
tls: {certificate: server.crt, key: server.key, client_ca: ca.pem}
"""
TOKENS = "tokens: [{name: ann, role: operator, file: token}]\n"


class TlsController(processes.Controller):
    ca = ""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, verify=self.ca, timeout=10, **options)


def start(files: Files, redis_url: str, settings: str) -> TlsController:
    (files.folder / "upshift.yaml").write_text(settings)
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve", "--redis", redis_url]
    command += ["--listen", f"127.0.0.1:{port}", "--config", files.path("upshift.yaml")]
    server = TlsController(command, port, files.folder / "controller.log")
    server.ca = files.path("ca.pem")
    server.start(lambda: server.ask("GET", "/-/ready").ok)
    return server


@pytest.fixture
def server(files: Files, valkey: RedisServer) -> Iterator[TlsController]:
    server = start(files, valkey.url, SETTINGS + TOKENS)
    yield server
    server.stop()


def test_the_command_trusts_the_ca_that_it_is_given_and_no_other(
    server: TlsController, files: Files
) -> None:
    def upshift(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = {"UPSHIFT_URL": server.url, "UPSHIFT_TOKEN_FILE": files.path("token")}
        return subprocess.run(
            [sys.executable, "-m", "upshift_controller", "status", *arguments],
            env={**os.environ, **known, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    assert upshift("--ca-file", server.ca).returncode == 0
    assert upshift(UPSHIFT_CA_FILE=server.ca, REQUESTS_CA_BUNDLE="/nowhere").returncode == 0
    refused = upshift()
    assert refused.returncode == 3
    assert "certificate" in refused.stderr.lower()


def test_a_client_certificate_may_deliver_alerts_and_do_nothing_else(
    server: TlsController, files: Files
) -> None:
    certificate = files.path("client.crt"), files.path("client.key")
    body = notification(alert())
    assert server.ask("POST", WEBHOOK, json=body, cert=certificate).status_code == 200
    assert server.ask("POST", WEBHOOK, json=body).status_code == 401
    for path in ("/api/v1/targets", "/metrics"):
        answer = server.ask("GET", path, cert=certificate)
        assert answer.status_code == 403
        assert "alertmanager may not do this" in answer.json()["detail"]
    wrong = {"Authorization": "Bearer wrong"}
    assert (
        server.ask("POST", WEBHOOK, json=body, cert=certificate, headers=wrong).status_code == 401
    )
    with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
        server.ask("POST", WEBHOOK, json=body, cert=files.path("stranger.pem"))


def test_with_a_client_ca_and_no_tokens_only_the_webhook_is_open(
    files: Files, valkey: RedisServer
) -> None:
    server = start(files, valkey.url, SETTINGS)
    try:
        certificate = files.path("client.crt"), files.path("client.key")
        delivered = server.ask("POST", WEBHOOK, json=notification(), cert=certificate)
        assert delivered.status_code == 200
        for method, path in (("GET", "/api/v1/targets"), ("POST", "/api/v1/leases")):
            assert server.ask(method, path).status_code == 401
            assert server.ask(method, path, cert=certificate).status_code == 403
    finally:
        server.stop()
    assert not load(files.folder / "upshift.yaml", listen="0.0.0.0:9095").tokens.none


def test_a_renewed_certificate_is_served_after_a_reload_and_a_bad_one_never(
    server: TlsController, files: Files
) -> None:
    def served() -> str:
        return ssl.get_server_certificate(("127.0.0.1", server.port), ca_certs=server.ca)

    first = served()
    files.issue("server", "127.0.0.1")
    assert server.ask("POST", "/-/reload", headers=OPERATOR).status_code == 200
    second = served()
    assert first != second
    shutil.copy(files.folder / "client.key", files.folder / "server.key")
    answer = server.ask("POST", "/-/reload", headers=OPERATOR)
    assert answer.status_code == 422
    assert "server.crt" in answer.json()["detail"]
    assert served() == second


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("tls: {certificate: none.crt, key: server.key}", "none.crt.*No such file"),
        ("tls: {certificate: server.crt, key: client.key}", "not a pair"),
        ("tls: {certificate: server.crt, key: server.key, client_ca: token}", "client_ca"),
        ("tls: {certificate: server.crt}", "key is missing|key"),
    ],
)
def test_tls_files_that_cannot_be_used_are_named(files: Files, settings: str, says: str) -> None:
    config = files.folder / "upshift.yaml"
    config.write_text(settings)
    with pytest.raises(StartRefused, match=says):
        load(config)


@pytest.mark.servers("prometheus-alertmanager")
def test_a_real_alertmanager_delivers_with_its_client_certificate(
    server: TlsController, files: Files, valkey: RedisServer, tmp_path: Path
) -> None:
    config = f"""
route: {{receiver: upshift, group_wait: 0s}}
receivers:
  - name: upshift
    webhook_configs:
      - url: {server.url}{WEBHOOK}
        http_config:
          tls_config:
            ca_file: {files.path("ca.pem")}
            cert_file: {files.path("client.crt")}
            key_file: {files.path("client.key")}
"""
    with alertmanager(tmp_path / "alertmanager", config) as sender:
        labels = {"alertname": "HighCPU", "service_name": "checkout"}
        url = f"{sender.url}/api/v2/alerts"
        requests.post(url, json=[{"labels": labels}], timeout=10).raise_for_status()
        with valkey.client() as client:
            eventually(lambda: client.exists(Keys().plan("service/checkout")), within_s=30)


@pytest.fixture
def tls_redis(files: Files, tmp_path: Path) -> Iterator[RedisServer]:
    port = free_port()
    binary = shutil.which("redis-server")
    assert binary
    command = [binary, "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"]
    command += ["--tls-cert-file", files.path("server.crt"), "--tls-key-file"]
    command += [files.path("server.key"), "--tls-ca-cert-file", files.path("ca.pem")]
    command += ["--tls-auth-clients", "optional", "--save", "", "--dir", str(tmp_path)]
    server = RedisServer(command, port, tmp_path / "redis.log")
    server.start(lambda: redis.Redis.from_url(tls_url(server, files)).ping())
    yield server
    server.stop()


def tls_url(server: RedisServer, files: Files) -> str:
    return f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={files.path('ca.pem')}"


@pytest.mark.servers("redis-server")
def test_both_sides_speak_tls_to_redis_and_trust_only_its_ca(
    files: Files, tls_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = tls_url(tls_redis, files)
    driver = RecordingDriver()
    with (
        processes.controller(tmp_path / "controller", url) as controller,
        Agent(redis_url=url, service="checkout", driver=driver),
    ):
        controller.lease(target="fleet", kind="pin", hz=77, duration="1m")
        driver.wait_for(77)
    with Agent(redis_url=url.partition("?")[0], service="checkout", driver=driver) as wary:
        eventually(lambda: "certificate verify failed" in caplog.text)
        assert not wary.connected


@pytest.mark.servers("redis-server")
def test_an_agent_that_ends_closes_its_tls_connections_though_nobody_answers_its_farewell(
    files: Files, tls_redis: RedisServer
) -> None:
    def connections() -> int:
        ours = {os.stat(fd).st_ino for fd in Path("/proc/self/fd").iterdir() if fd.exists()}
        lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        rows = [line.split() for line in lines]
        return sum(
            row[2].endswith(f":{tls_redis.port:04X}") and int(row[9]) in ours for row in rows
        )

    agent = Agent(redis_url=tls_url(tls_redis, files), service="checkout", driver=RecordingDriver())
    agent.start()
    eventually(lambda: agent.connected)
    assert connections() == 2
    tls_redis.freeze()
    try:
        agent.stop()
        assert connections() == 0
    finally:
        tls_redis.thaw()
