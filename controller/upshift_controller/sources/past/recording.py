"""Webhooks kept for replays, in a folder. Nothing that goes wrong here is in anybody's way.

A thread does the writing, and what it cannot write is counted. Of each alert only what a replay
reads is kept: status, labels, start, end and fingerprint; no annotations, no URLs. Values of labels
that are called like secrets, and passwords in URLs, are left out.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from upshift_rules.model import BadTrigger, Trigger
from upshift_rules.quick_json import dump
from upshift_rules.rollouts import attributes_of

from ...runtime.sink import to_file
from .webhooks import RECEIVED_AT, ROLLOUTS, WEBHOOK

log = structlog.get_logger()

#: A file is begun anew when it is as large as this, and the oldest ones go where all together, or
#: their number, would be more than may be. A week of 100,000 alerts takes some 70 MB.
FILE_BYTES = 8 * 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024
MOST_FILES = 64
#: Bytes of webhooks that may wait for a slow disk, or one webhook; what comes on top is lost.
MOST_WAITING = 16 * 1024 * 1024
#: After a fault, for so long nothing is tried: a full disk stays full for a while.
PAUSE_S = 10.0

_SECRET = re.compile(
    r"(?i)passw|secret|token|credential|api.?key|auth(?!or(s|_|-|$))|cookie|private"
)
_IN_A_VALUE = re.compile(r"(?i)(?<=://)[^/@\s]*(?=@)|(?<=\bbearer )\S+|(?<=\bbasic )\S+")
LEFT_OUT = "left out"

Kept = Literal["kept", "lost"]
Alerts = Sequence[Trigger | BadTrigger]


def without_secrets(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels as they may be kept."""
    return {
        name: LEFT_OUT if _SECRET.search(name) else _IN_A_VALUE.sub(LEFT_OUT, value)
        for name, value in labels.items()
    }


def line_of(at_s: float, alerts: Alerts) -> bytes:
    """Return a webhook that came at `at_s`, Unix seconds, or rollouts that were told then, as
    `webhooks` reads it."""
    triggers = [it for it in alerts if isinstance(it, Trigger)]
    document: dict[str, Any] = {RECEIVED_AT: _moment(round(at_s * 1000))}
    if rolled_out := [it for it in triggers if it.kind == "rollout"]:
        # Its start is the same for all controllers that record it.
        document[RECEIVED_AT] = _moment(rolled_out[0].starts_at_ms)
        document[ROLLOUTS] = [attributes_of(it) for it in rolled_out]
    else:
        document[WEBHOOK] = {"version": "4", "alerts": [_alert(it) for it in triggers]}
    return dump(document).encode("utf-8", "replace") + b"\n"


def _alert(trigger: Trigger) -> dict[str, Any]:
    ends = {"endsAt": _moment(trigger.ends_at_ms)} if trigger.ends_at_ms else {}
    return {
        "status": trigger.status,
        "labels": without_secrets(trigger.labels),
        "startsAt": _moment(trigger.starts_at_ms),
        **ends,
        "fingerprint": trigger.identity,
    }


def _moment(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Recorder:
    """Keeps webhooks in a folder that is its own, or that controllers share.

    counted: is told what became of each webhook.
    """

    def __init__(self, folder: Path, counted: Callable[[Kept], object] = lambda _: None) -> None:
        self._folder = folder
        self._counted = counted
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, Alerts, int]] = deque()
        self._bytes = 0  # of those that wait, or are being written
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self._file: _File | None = None
        self._paused_until = 0.0

    def keep(self, alerts: Alerts, size: int) -> None:
        """Take note of a webhook of so many bytes that came now, or of rollouts that were told.
        Never waits, never raises."""
        with self._lock:
            fits = self._bytes + size <= MOST_WAITING or not self._bytes
            if fits := fits and self._runs():
                self._bytes += size
                self._waiting.append((time.time(), alerts, size))
                self._idle.clear()
        if fits:
            self._wake.set()
        else:
            self._counted("lost")

    def drain(self, patience_s: float = 1.0) -> None:
        """Wait until all is written, `patience_s` at most."""
        self._idle.wait(patience_s)

    def _runs(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread to be had, or the interpreter ends
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                at_s, alerts, size = self._waiting.popleft()
                self._counted("kept" if self._write(at_s, alerts) else "lost")
                with self._lock:
                    self._bytes -= size
                    if not self._waiting:
                        self._idle.set()

    def _write(self, at_s: float, alerts: Alerts) -> bool:
        if time.monotonic() < self._paused_until:
            return False
        try:
            line = line_of(at_s, alerts)
        except Exception:  # of ours: the next one may do
            log.exception("a webhook could not be recorded")
            return False
        try:
            self._open(len(line)).append(line)
        except OSError as error:
            self._paused_until = time.monotonic() + PAUSE_S
            self._close()
            log.warning("webhooks are not recorded for now", problem=str(error))
            return False
        return True

    def _open(self, more: int) -> _File:
        """Return the file that so many more bytes go to."""
        if self._file is not None and self._file.size + more > FILE_BYTES:
            self._close()
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(more)
            self._file = _File(self._folder)
        return self._file

    def _make_room(self, more: int) -> None:
        """Remove the oldest files, as many as it takes for one more."""
        files: list[tuple[Path, int]] = []
        for path in sorted(self._folder.glob("webhooks-*.jsonl")):
            with suppress(FileNotFoundError):  # another controller was faster
                files.append((path, path.stat().st_size))
        room = MOST_BYTES - max(FILE_BYTES, more)
        while files and (len(files) >= MOST_FILES or sum(size for _, size in files) > room):
            path, _ = files.pop(0)
            path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _File:
    """One file of whole lines: nothing is left of a line that does not fit."""

    def __init__(self, folder: Path) -> None:
        # In the order of their names they are in the order of time.
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._path = folder / f"webhooks-{stamp}-{secrets.token_hex(2)}.jsonl"
        self._number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._append = to_file(self._number)
        self.size = 0

    def append(self, line: bytes) -> None:
        self._append(line)
        self.size += len(line)

    def close(self) -> None:
        with suppress(OSError):
            os.ftruncate(self._number, self.size)
        os.close(self._number)
        if not self.size:  # or a disk that stays full would have ever more of them
            self._path.unlink(missing_ok=True)
