"""How long a week of alerts takes to be replayed under two rule files, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ..measuring.row import Line, Row, Sampler, at_most
from ..measuring.side import Side
from ..parts.week import write

ALERTS = 100_000
TODAY = "sampling: {on_alert: [{trigger: high_cpu, frequency: 100, duration: 10m}]}\n"
NEW = """
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 97, duration: 10m, while_firing: true, on_resolved: revert}
    - {trigger: high_latency, profile: [cpu, wall], frequency: 49, duration: 15m, cooldown: 30m}
  schedules:
    - {name: nightly, cron: 30 2 * * *, target: service/s1, frequency: 97, duration: 45m}
"""


def product(side: Side) -> Sampler:
    folder = _files(side)
    command = [*side.code.prefix, "-m", "upshift_controller", "replay", str(folder / "new.yaml")]
    command += ["--today", str(folder / "today.yaml"), "--alerts", str(folder / "week.jsonl")]
    return lambda: _run([*command, "--json"], folder / "answer.json")


def floor(side: Side) -> Sampler:
    week = (folder := _files(side)) / "week.jsonl"
    return lambda: _run(side.floor("parse.py", week), folder / "answer.json")


def _files(side: Side) -> Path:
    (folder := side.made("replay")).mkdir(exist_ok=True)
    write(folder / "week.jsonl", side.of(ALERTS, tiny=20))
    (folder / "today.yaml").write_text(TODAY)
    (folder / "new.yaml").write_text(NEW)
    return folder


def _run(command: Sequence[str], answer: Path) -> tuple[float, float]:
    began = time.perf_counter()
    with answer.open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
    _, code, used = os.wait4(process.pid, 0)  # of the largest of its processes
    process.returncode = code
    assert json.loads(answer.read_text()), f"{command} ended with {code}"
    return time.perf_counter() - began, used.ru_maxrss / 1024


NAME = "replay of 100,000 alerts, two rule files, beside reading their JSON"
LINES = [Line(NAME, "s", at_most(30, "s")), Line(f"{NAME}: memory", "MiB", at_most(700, "MiB"))]
ROWS = [Row(lines=LINES, product=product, beside=floor, seconds=0, alone=True, compared=False)]
