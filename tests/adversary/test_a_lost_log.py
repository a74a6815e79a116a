"""A log that cannot be written: full disk, dead reader, a reader that does not read, no stderr."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

import requests

from controller.conftest import WEBHOOK, alert, notification
from reliability.controller.lost_log import Log, closed, full_device, limited, piped
from reliability.parts.controllers import Controller, controller
from servers import RedisServer, eventually

ROUNDS = 5
CAP = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "10m"}


def started(log: Log, valkey: RedisServer, folder: Path) -> AbstractContextManager[Controller]:
    return controller(folder, valkey.url, command=log.command, stderr=log.stderr)


def goes_through(upshift: Controller, name: str) -> None:
    """Alerts, each of which logs a line, a cap and its end, all while it is ready."""
    url = upshift.url
    for number in range(ROUNDS):
        labels = {"alertname": "HighCPU", "service_name": f"{name}-{number}"}
        body = notification(alert(labels, fingerprint=f"{name}{number}"))
        answer = requests.post(url + WEBHOOK, json=body, timeout=5)
        assert (answer.status_code, answer.json()["counts"]) == (200, {"granted": 1})
    cap = requests.post(url + "/api/v1/leases", json=CAP, timeout=5)
    assert cap.status_code == 201
    lease = cap.json()["outcome"]["lease"]
    assert requests.delete(f"{url}/api/v1/leases/{lease}", timeout=5).status_code == 200
    assert requests.get(url + "/-/ready", timeout=5).status_code == 200


def lost(upshift: Controller) -> float:
    return upshift.metric("upshift_log_lines_lost_total")


def test_with_a_full_disk_all_goes_through_and_lost_lines_are_counted(
    valkey: RedisServer, tmp_path: Path
) -> None:
    with full_device(tmp_path) as log, started(log, valkey, tmp_path) as upshift:
        goes_through(upshift, "full")
        eventually(lambda: lost(upshift) >= ROUNDS + 2)


def test_with_a_dead_reader_all_goes_through(valkey: RedisServer, tmp_path: Path) -> None:
    with (
        piped(tmp_path) as log,
        started(log, valkey, tmp_path) as upshift,
        log.spoils["dead reader"](upshift),
    ):
        goes_through(upshift, "dead")
        eventually(lambda: lost(upshift) >= ROUNDS)


def test_with_a_reader_that_does_not_read_nothing_waits_and_it_ends_when_told(
    valkey: RedisServer, tmp_path: Path
) -> None:
    with (
        piped(tmp_path) as log,
        started(log, valkey, tmp_path) as upshift,
        log.spoils["reader that does not read"](upshift),
    ):
        goes_through(upshift, "stalled")
        assert upshift.process is not None
        upshift.process.terminate()
        assert upshift.process.wait(10) == 0


def test_without_a_stderr_no_connection_takes_its_number(
    valkey: RedisServer, tmp_path: Path
) -> None:
    with closed(tmp_path) as log, started(log, valkey, tmp_path) as upshift:
        assert upshift.process is not None
        assert os.readlink(f"/proc/{upshift.process.pid}/fd/2") == "/dev/null"
        goes_through(upshift, "closed")


def test_what_was_lost_is_told_once_there_is_room_again(
    valkey: RedisServer, tmp_path: Path
) -> None:
    with limited(tmp_path) as log, started(log, valkey, tmp_path) as upshift:
        with log.spoils["full disk"](upshift):
            goes_through(upshift, "limited")
            eventually(lambda: lost(upshift))
        goes_through(upshift, "room")
        assert log.told is not None
        eventually(lambda: b'"log lines lost"' in log.told.read_bytes())
        before = lost(upshift)
        goes_through(upshift, "after")
        assert lost(upshift) == before
