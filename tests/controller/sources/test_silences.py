"""What Alertmanager silences or inhibits starts nothing, and what has started runs on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from controller.conftest import Start
from controller.sources.incidents import (
    CONFIG,
    WAIT_S,
    boosted,
    happened,
    post,
    quickly,
    rules,
    silence,
    stays,
    until,
)
from servers import alertmanager

pytestmark = pytest.mark.servers("prometheus-alertmanager")


async def test_a_silence_starts_nothing_ends_nothing_and_its_end_starts_what_still_fires(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    with alertmanager(tmp_path / "am", CONFIG.format(port=unused_port())) as server:
        end_it = await asyncio.to_thread(silence, server, "quiet")
        await asyncio.to_thread(post, server, "quiet", "loud")
        async with start(rules(server)) as running:
            await until(lambda: boosted(running, "loud"))
            await asyncio.to_thread(silence, server, "loud")
            await stays(lambda: boosted(running, "loud"), WAIT_S + 1)
            assert await happened(running, "quiet")
            await asyncio.to_thread(end_it)
            await until(lambda: boosted(running, "quiet"))
            assert await happened(running, "loud", "granted")


async def test_an_inhibited_alert_starts_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)
    with alertmanager(tmp_path / "am", CONFIG.format(port=unused_port())) as server:
        await asyncio.to_thread(post, server, "whole", severity="outage", dc="1")
        await asyncio.to_thread(post, server, "part", severity="page", dc="1")
        await asyncio.to_thread(post, server, "other", severity="page", dc="2")
        async with start(rules(server)) as running:
            for service in ("whole", "other"):
                await until(lambda service=service: boosted(running, service))
            await asyncio.sleep(0.5)
            assert await happened(running, "part")
