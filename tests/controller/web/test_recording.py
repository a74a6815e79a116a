"""`--record`: webhooks that were accepted are kept, and no lease waits for that."""

from __future__ import annotations

from pathlib import Path

from controller.conftest import Start, alert, outcomes
from upshift_controller.sources.past.webhooks import read_webhooks


async def test_what_was_accepted_is_kept_and_what_was_not_is_not(
    start: Start, tmp_path: Path
) -> None:
    async with start(record=str(tmp_path / "kept")) as running:
        await running.notify(alert())
        await running.notify(alert(status="resolved", endsAt="2026-01-31T12:05:00Z"))
        refused = await running.ask("POST", "/api/v1/webhook/alertmanager", json={"version": "3"})
        assert refused.status == 422
        recorder = running.controller.recorder
        assert recorder is not None
        recorder.drain()
        metrics = (await running.ask("GET", "/metrics")).body
        assert 'upshift_recorded_webhooks_total{outcome="kept"} 2.0' in metrics
    notices = read_webhooks(tmp_path / "kept").notices
    statuses = [it.status for notice in notices for it in notice.triggers]
    assert statuses == ["firing", "resolved"]
    (file,) = (tmp_path / "kept").iterdir()
    assert "prometheus:9090" not in file.read_text()


async def test_a_folder_that_cannot_be_written_costs_no_lease(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with start(record=str(tmp_path / "file" / "kept")) as running:
        answer = await running.notify(alert())
        assert (answer.status, outcomes(answer)) == (200, ["granted"])
        recorder = running.controller.recorder
        assert recorder is not None
        recorder.drain()
        metrics = (await running.ask("GET", "/metrics")).body
        assert 'upshift_recorded_webhooks_total{outcome="lost"} 1.0' in metrics


async def test_without_it_nothing_is_kept(start: Start) -> None:
    async with start() as running:
        assert running.controller.recorder is None
        assert (await running.notify(alert())).status == 200
