"""Controllers that do not agree, and configurations that change while nobody can be told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from controller.conftest import Running, Start, alert
from servers import RedisServer
from upshift_agent.contract import Cause
from upshift_controller.app import Controller
from upshift_controller.configuration import load


def baseline(hz: int) -> str:
    return f"sampling: {{default: {hz}}}\n"


async def published(upshift: Running) -> list[int]:
    answer = await upshift.ask("GET", "/api/v1/history", params={"target": "fleet"})
    return [entry["baseline"]["default"] for entry in reversed(answer.body["entries"])]


async def test_two_controllers_with_different_baselines_do_not_flap_the_fleet(
    start: Start, valkey: RedisServer, tmp_path: Path
) -> None:
    async with start(baseline(19)) as older, start(baseline(29)) as newer:
        with capture_logs() as logs:
            for _ in range(20):
                await older.controller.schedule.sweep()
                await newer.controller.schedule.sweep()
        assert await published(newer) == [19, 29]
        warned = [line for line in logs if "baseline is not in force" in line["event"]]
        assert len(warned) == 1, "by the older one, once"
        assert "29" in warned[0]["reason"]
        # The file of both says 31 by now: whoever reads it first tells the fleet, once.
        (tmp_path / "upshift.yaml").write_text(baseline(31))
        for running in (older, newer, older, newer):
            await running.controller.reload()
            await running.controller.schedule.sweep()
        assert await published(newer) == [19, 29, 31]


async def test_a_controller_alone_puts_its_configuration_in_force_whatever_was_before(
    start: Start,
) -> None:
    for hz in (19, 29, 19):
        async with start(baseline(hz)) as running:
            assert (await published(running))[-1] == hz


async def test_reloads_while_redis_is_away_still_sign_everything_anew(
    valkey: RedisServer, tmp_path: Path
) -> None:
    secrets, config = tmp_path / "secrets", tmp_path / "upshift.yaml"
    secrets.write_text("the-old-secret-0123456789\n")
    config.write_text("secret_file: secrets\n")
    controller = Controller(lambda: load(config, redis=valkey.url), valkey.url)
    async with controller.running():
        await controller.overrides.grant(
            "service/checkout", "cap", 9, 600_000, where={}, cause=Cause()
        )
        assert await controller.store.signed_otherwise() == []
        await asyncio.to_thread(valkey.stop)
        secrets.write_text("the-new-secret-0123456789\nthe-old-secret-0123456789\n")
        for _ in range(2):
            await controller.reload()
        await asyncio.to_thread(valkey.start)
        assert await controller.store.signed_otherwise() == ["fleet", "service/checkout"]
        for _ in range(2):
            await controller.schedule.sweep()
        assert await controller.store.signed_otherwise() == []


async def test_after_a_reload_an_alert_is_told_what_its_boost_runs_at(
    start: Start, tmp_path: Path
) -> None:
    rule = "sampling: {{on_alert: [{{trigger: high_cpu, frequency: {}, duration: 10m}}]}}\n"
    async with start(rule.format(99)) as running:
        await running.notify(alert())
        (tmp_path / "upshift.yaml").write_text(rule.format(49))
        await running.controller.reload()
        for told in (alert(), alert(fingerprint="another")):
            (account,) = (await running.notify(told)).body["alerts"]
            assert [it["hz"] for it in account["outcomes"]] == [99]
        assert [it["hz"] for it in await running.leases()] == [99]
