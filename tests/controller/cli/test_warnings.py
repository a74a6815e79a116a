"""What keeps a controller from knowing of alerts is told where people look."""

from __future__ import annotations

import asyncio
import json

import pytest

from controller.command import NOWHERE, runner
from controller.conftest import Start, alert
from controller.sources.incidents import until


async def test_status_and_explain_say_that_alertmanager_cannot_be_read(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start(f"alertmanager: {{urls: [{NOWHERE}]}}\n") as running:

        async def is_told() -> bool:
            return bool((await running.ask("GET", "/api/v1/targets")).body["warnings"])

        await until(is_told)
        run = runner(monkeypatch, capsys, str(running.client.make_url("")))
        body = json.dumps(alert()).encode()
        for said in (
            await asyncio.to_thread(run, "status"),
            await asyncio.to_thread(run, "explain", "-", stdin=body),
        ):
            assert f"Alertmanager {NOWHERE} cannot be read (Cannot connect" in said.out
        assert (
            f'{{alertmanager="{NOWHERE}",outcome="failed"}}'
            in (await running.ask("GET", "/metrics")).body
        )
