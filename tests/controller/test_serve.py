"""`upshift serve` as a process: its Valkey, its signals, its log, its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from controller.conftest import WEBHOOK, alert, notification
from own_valkey import announced
from servers import HttpServer, eventually, free_port, http_server
from upshift_agent.contract import Keys


@contextmanager
def serve(folder: Path, *options: str) -> Iterator[HttpServer]:
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve"]
    command += ["--listen", f"127.0.0.1:{port}", "--data", str(folder / "data"), *options]
    with http_server(folder, port, *command) as server:
        yield server


def log(server: HttpServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def agents_redis(server: HttpServer) -> redis.Redis:
    """The Valkey that the newest start announced to agents."""
    return redis.Redis.from_url(announced(server.log), decode_responses=True)


def notify(server: HttpServer) -> list[str]:
    answer = requests.post(server.url + WEBHOOK, json=notification(alert()), timeout=10)
    answer.raise_for_status()
    return list(answer.json()["counts"])


def test_without_a_redis_it_brings_its_own_and_keeps_what_it_accepted(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
        with agents_redis(server) as client:
            port = client.connection_pool.connection_kwargs["port"]
            assert client.exists(Keys().plan("service/checkout"))
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            assert client.config_get("bind")["bind"] == "127.0.0.1"
    with pytest.raises(redis.ConnectionError), redis.Redis(port=port) as client:
        client.ping()
    with serve(tmp_path) as server:
        assert notify(server) == ["repeat"]
        with agents_redis(server) as client:
            assert client.connection_pool.connection_kwargs["port"] == port


def test_a_killed_controllers_valkey_lives_on_and_is_taken_over(tmp_path: Path) -> None:
    with serve(tmp_path) as server:
        assert notify(server) == ["granted"]
        with agents_redis(server) as client:
            born = client.info("server")["run_id"]
            server.kill()
            assert client.info("server")["run_id"] == born
    with serve(tmp_path) as server:
        assert notify(server) == ["repeat"]
        with agents_redis(server) as client:
            assert client.info("server")["run_id"] == born


def test_every_change_is_one_line_with_target_frequency_cause_and_revision(
    tmp_path: Path,
) -> None:
    with serve(tmp_path) as server:
        notify(server)
        notify(server)
        server.stop()  # lines go out a moment later, the last ones at the end
    (line,) = [it for it in log(server) if it.get("target") == "service/checkout"]
    assert (line["event"], line["hz"], line["level"]) == ("granted", 100, "info")
    assert line["reason"] == f"boost {line['lease']}: alert HighCPU"
    assert line["rev"] > 1_700_000_000_000_000


def test_sighup_reloads_and_sigterm_ends_it_in_order(tmp_path: Path) -> None:
    config = tmp_path / "upshift.yaml"
    config.write_text("sampling: {default: 9}\n")
    with serve(tmp_path, "--config", str(config)) as server:
        assert server.process is not None
        config.write_text("sampling: {default: fast}\n")
        server.process.send_signal(signal.SIGHUP)
        (refused,) = eventually(lambda: [it for it in log(server) if "refused" in it["event"]])
        assert "upshift.yaml:1:21: default must be" in refused["problem"]
        config.write_text("sampling: {default: 11}\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: [it for it in log(server) if it["event"] == "reloaded"])
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert log(server)[-1]["event"] == "stopping"


#: `upshift` where the name server of "nowhere" never answers.
DEAD_NAMES = """
import socket, sys, time
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **named: (
    time.sleep(600) if str(host).startswith("nowhere") else look_up(host, *more, **named)
)
from upshift_controller.cli import main
main()
"""


def test_it_ends_though_a_name_server_does_not_answer(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", DEAD_NAMES, "serve", "--listen", f"127.0.0.1:{port}"]
    server = HttpServer([*command, "--redis", "redis://nowhere.example"], port, tmp_path / "log")
    server.start(lambda: server.get("/-/healthy"))
    assert server.process is not None
    try:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
    finally:
        server.kill()


def test_without_a_controller_too_a_dead_name_server_is_told_and_not_waited_for() -> None:
    command = [sys.executable, "-c", DEAD_NAMES, "cap", "fleet", "--hz", "0", "--for", "1m"]
    direct = [*command, "--direct", "redis://nowhere.example"]
    done = subprocess.run(direct, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "Redis is not answering" in done.stderr


def test_a_controller_starts_without_its_redis_and_says_that_it_is_not_ready(
    tmp_path: Path,
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "upshift_controller", "serve"]
    command += ["--listen", f"127.0.0.1:{port}", "--redis", f"redis://127.0.0.1:{free_port()}"]
    server = HttpServer(command, port, tmp_path / "server.log")
    server.start(lambda: server.get("/-/healthy"))
    try:
        answer = requests.get(server.url + "/-/ready", timeout=10)
        assert answer.status_code == 503
        assert "Redis is not answering" in answer.json()["detail"]
        assert "upshift_ready 0.0" in server.get("/metrics")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "0.0.0.0:1"], "no tokens are set"),
        (["--config", "nothing.yaml"], "cannot read nothing.yaml"),
        (["--redis", "http://x"], "redis://"),
    ],
)
def test_what_it_cannot_start_with_is_said_in_one_line(
    tmp_path: Path, options: list[str], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "upshift_controller", "serve", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
