"""Reports over a real Parca, which is told of windows as the host agent tells of them."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from integrations.parca import parca
from parts import program
from upshift_controller.evidence.backends import Backend
from upshift_controller.evidence.backends.parca import PROFILES
from upshift_controller.evidence.backends.parca import Parca as Profiles
from upshift_controller.evidence.report import Job, report
from upshift_controller.evidence.spans import Span
from upshift_host.profiles.parca import write_raw
from upshift_host.profiles.window import Window

pytestmark = pytest.mark.skipif(
    not program("parca").exists(), reason="`make integrations` builds Parca"
)


def test_a_planted_change_is_found_and_the_samples_and_hz_are_right(tmp_path: Path) -> None:
    now_ms = int(time.time()) * 1000
    boost = Span(now_ms - 180_000, now_ms - 60_000)
    before = Span(now_ms - 600_000, now_ms - 480_000)
    chance = random.Random(1)
    with parca(tmp_path / "parca") as server:
        for span, hz, share in ((before, 19, 0.1), (boost, 100, 0.3)):
            for part in span.parts():
                picked = chance.choices(("parse", "render"), (share, 1 - share), k=10 * hz)
                counted = Counter(("main", name) for name in picked)
                _told(server.url, "checkout", part, hz, counted)
                _told(server.url, "other", part, hz, Counter({("main", "noise"): 1000}))
        backend = Backend(kind="parca", url=server.url, profiles=PROFILES)
        job = Job(
            backend=backend,
            labels={
                "service.name": "checkout",
                "deployment.environment.name": ["production", "x|y"],
            },
            profile="cpu",
            window=boost,
            before=before,
            hz=100,
            before_hz=19,
        )
        told = report(job, Profiles(backend))
        nobody = report(replace(job, labels={"service.name": "nobody"}), Profiles(backend))
    assert told["problem"] is None
    grown = next(it for it in told["changes"] if (it["function"], it["kind"]) == ("parse", "self"))
    assert grown["difference"] == pytest.approx(0.2, abs=grown["half_width"])
    assert (told["window"]["samples"], told["window"]["seconds"]) == (12_000, 120)
    assert (told["before"]["samples"], told["before"]["seconds"]) == (2_280, 120)
    assert {it["function"] for it in told["top"]["total"]} == {"main", "parse", "render"}
    assert nobody["window"]["samples"] == 0
    assert nobody["advice"].endswith("do labels and profile types agree?")


def _told(url: str, service: str, span: Span, hz: int, counted: Counter[tuple[str, ...]]) -> None:
    window = Window(
        attributes={"service.name": service, "deployment.environment.name": "production"},
        profile="cpu",
        profiler="a-test",
        hz=hz,
        began_s=span.from_ms / 1000,
        ended_s=span.until_ms / 1000,
        samples=counted,
    )
    asked = write_raw(window)
    answer = requests.post(
        url + asked.path, asked.body, headers={"Content-Type": asked.content_type}, timeout=10
    )
    assert answer.status_code == 200, answer.text
