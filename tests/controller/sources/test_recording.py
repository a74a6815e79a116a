"""Webhooks kept for replays: what is kept of them, how much, and that nobody waits for it."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from upshift_controller.sources.past import recording
from upshift_controller.sources.past.recording import Kept, Recorder, line_of, without_secrets
from upshift_controller.sources.past.webhooks import read_webhooks
from upshift_rules.model import BadTrigger, Trigger

FIRES = Trigger(
    "firing", {"alertname": "HighCPU", "service": "checkout"}, "4bd6", 1_795_395_815_123
)
OVER = FIRES._replace(status="resolved", ends_at_ms=1_795_395_900_456)


def test_what_is_kept_is_read_back_as_it_came(tmp_path: Path) -> None:
    counted: list[Kept] = []
    recorder = Recorder(tmp_path / "kept", counted.append)
    before_ms = time.time() * 1000
    for alerts in ([FIRES], [FIRES, OVER, BadTrigger("no labels")]):
        recorder.keep(alerts, 100)
    recorder.drain()
    assert counted == ["kept", "kept"]
    found = read_webhooks(tmp_path / "kept")
    assert [list(it.triggers) for it in found.notices] == [[FIRES], [FIRES, OVER]]
    assert all(before_ms - 1 <= it.at_ms <= time.time() * 1000 for it in found.notices)
    assert found.faults == []


def test_secrets_annotations_and_urls_are_not_kept() -> None:
    labels = {
        "alertname": "HighCPU",
        "author": "ann",
        "db_password": "hunter2",
        "API-Key": "k",
        "access_token": "t",
        "authorization": "Bearer x",
        "instance": "postgres://ann:hunter2@db:5432/shop",
        "header": "Authorization: Bearer abc.def",
    }
    assert without_secrets(labels) == {
        "alertname": "HighCPU",
        "author": "ann",
        "db_password": "left out",
        "API-Key": "left out",
        "access_token": "left out",
        "authorization": "left out",
        "instance": "postgres://left out@db:5432/shop",
        "header": "Authorization: Bearer left out",
    }
    (alert,) = json.loads(line_of(0, [FIRES]))["webhook"]["alerts"]
    assert set(alert) == {"status", "labels", "startsAt", "fingerprint"}


def test_only_whoever_runs_the_controller_may_read_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "kept")
    recorder.keep([FIRES], 100)
    recorder.drain()
    (file,) = (tmp_path / "kept").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_oldest_files_go_before_there_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FILE_BYTES", 1000)
    monkeypatch.setattr(recording, "MOST_BYTES", 5000)
    (tmp_path / "mine.jsonl").write_text("no file of ours")
    recorder = Recorder(tmp_path)
    for number in range(100):
        recorder.keep([FIRES._replace(identity=f"{number:04}")], 100)
    recorder.drain(5)
    files = sorted(tmp_path.glob("webhooks-*"))
    assert sum(it.stat().st_size for it in files) <= 5000
    assert all(it.stat().st_size <= 1000 for it in files)
    (tmp_path / "mine.jsonl").unlink()
    kept = [
        int(it.identity) for notice in read_webhooks(tmp_path).notices for it in notice.triggers
    ]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) > 10


def test_there_are_never_more_files_than_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FILE_BYTES", 1)
    monkeypatch.setattr(recording, "MOST_FILES", 7)
    recorder = Recorder(tmp_path)
    for _ in range(20):
        recorder.keep([FIRES], 100)
    recorder.drain(5)
    assert len(list(tmp_path.iterdir())) == 7


def full_disk(number: int, line: bytes) -> int:
    os.fsync(number)
    raise OSError(28, "No space left on device")


def test_a_full_disk_loses_webhooks_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Kept] = []
    recorder = Recorder(tmp_path, counted.append)
    recorder.keep([FIRES], 100)
    recorder.drain()
    real = os.write
    wrote = iter([7])  # the first try gets so far

    def write(number: int, line: bytes) -> int:
        if (some := next(wrote, None)) is not None:
            return real(number, bytes(line)[:some])
        return full_disk(number, line)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        for _ in range(3):
            recorder.keep([OVER], 100)
            recorder.drain()
    assert counted == ["kept", "lost", "lost", "lost"]
    assert len(read_webhooks(tmp_path).notices) == 1
    assert read_webhooks(tmp_path).faults == [], "nothing is left of the line that did not fit"
    recorder.keep([OVER], 100)
    recorder.drain()
    assert counted[-1] == "lost", "for a while nothing is tried"
    monkeypatch.setattr(recorder, "_paused_until", 0.0)
    recorder.keep([OVER], 100)
    recorder.drain()
    assert counted[-1] == "kept"
    assert len(read_webhooks(tmp_path).notices) == 2


def test_a_disk_that_stays_full_leaves_no_empty_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "PAUSE_S", 0.0)
    monkeypatch.setattr(os, "write", full_disk)
    recorder = Recorder(tmp_path)
    for _ in range(5):
        recorder.keep([FIRES], 100)
    recorder.drain()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    counted: list[Kept] = []
    recorder = Recorder(tmp_path / "file" / "kept", counted.append)
    recorder.keep([FIRES], 100)
    recorder.drain()
    assert counted == ["lost"]


def test_whoever_keeps_a_webhook_waits_for_no_slow_disk_and_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Kept] = []
    recorder = Recorder(tmp_path, counted.append)
    real = os.write

    def slow(number: int, line: bytes) -> int:
        time.sleep(0.3)
        return real(number, line)

    monkeypatch.setattr(os, "write", slow)
    monkeypatch.setattr(recording, "MOST_WAITING", 1000)
    began = time.monotonic()
    recorder.keep([FIRES], 5000)  # larger than all that may wait, but alone
    for _ in range(100):
        recorder.keep([FIRES], 100)
    assert time.monotonic() - began < 0.2
    assert counted == ["lost"] * 100
    recorder.drain(5)
    assert counted.count("kept") == 1
