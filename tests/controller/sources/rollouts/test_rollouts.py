"""Rollouts of real agents, over a real Valkey: who is boosted, once, and what is said of it.

Long, because what a rollout is takes many small histories.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from controller.command import Run
from controller.conftest import Running, Start
from controller.sources.rollouts.living import HOME, KEYS, RULES, Agents, remember, until_known
from servers import eventually
from upshift_controller.sources.past.webhooks import read_webhooks
from upshift_rules.model import Trigger


async def test_the_agents_of_a_new_version_are_boosted_and_no_others(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        _, old = await agents.start("1")
        _, new = await agents.start("2")
        decision = await asyncio.to_thread(new.wait_for, 97)
        assert decision.reason.endswith("rollout of 2")
        _, later = await agents.start("2")
        await asyncio.to_thread(later.wait_for, 97)
        assert set(old.frequencies) == {19}
        (lease,) = await upshift.leases()
        assert lease["because"]["rollout"] == "2"
        assert await upshift.history() == ["granted"]
        metrics = (await upshift.ask("GET", "/metrics")).body
        assert 'upshift_rollouts_total{outcome="granted"} 1.0' in metrics


async def test_rollouts_are_kept_for_replays_though_no_rule_asks_for_any(
    start: Start, agents: Agents, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    async with start(f"record: {kept}\nsampling: {{on_alert: []}}\n") as upshift:
        remember(upshift.redis, "1")
        await agents.start("1")
        await agents.start("2")
        await asyncio.to_thread(eventually, lambda: any(kept.glob("*.jsonl")), within_s=30)
        assert await upshift.history() == []
    (notice,) = read_webhooks(kept).notices
    (told,) = notice.triggers
    assert isinstance(told, Trigger)
    assert (told.kind, told.labels["version"], told.labels["environment"]) == (
        "rollout", "2", "production",
    )  # fmt: skip


async def test_two_controllers_grant_once(start: Start, agents: Agents) -> None:
    async with start(RULES) as one, start(RULES) as two:
        remember(one.redis, "1")
        await agents.start("1")
        _, new = await agents.start("2")
        await asyncio.to_thread(new.wait_for, 97)
        for it in (one, two):
            await it.controller.watches.rollouts.look()
        assert await two.history() == ["granted"]
        assert len(await one.leases()) == 1


async def test_a_controller_that_was_down_for_a_while_finds_what_was_rolled_out_meanwhile(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as before:
        remember(before.redis, "1")
        await agents.start("1")
    _, new = await agents.start("2")
    async with start(RULES):
        await asyncio.to_thread(new.wait_for, 97)


async def test_a_restart_of_the_same_version_is_none_after_a_controller_s_restart_too(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        agent, _ = await agents.start("1")
        agent.stop()
        await agents.start("1")
        await upshift.controller.watches.rollouts.look()
    async with start(RULES) as again:
        await again.controller.watches.rollouts.look()
        assert await again.history() == []


async def test_the_first_start_and_an_emptied_redis_are_none(start: Start, agents: Agents) -> None:
    await agents.start("1")
    await agents.start("2")
    async with start(RULES) as upshift:
        await until_known(upshift, "2")
        upshift.redis.flushall()
        await agents.start("3")
        await until_known(upshift, "3")
        assert await upshift.history() == []
        said = (await upshift.ask("GET", "/api/v1/rollouts", params={"service": HOME})).body
        assert {it["came"] for it in said["versions"]} == {"learnt"}


async def test_a_rollout_in_another_environment_is_none_of_the_rule_s(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        await agents.start("1", **{"deployment.environment.name": "staging"})
        await until_known(upshift, "1")
        stored = json.loads(upshift.redis.get(KEYS.rollouts))
        stored["began"] -= 3_600_000  # nobody is learning any more
        upshift.redis.set(KEYS.rollouts, json.dumps(stored))
        await agents.start("2", **{"deployment.environment.name": "staging"})
        await until_known(upshift, "2")
        said = await explained(upshift)
        assert said["2"]["came"] == "rollout"
        (rule,) = said["2"]["rules"]
        assert rule["reason"] == ("environment=\"production\" is wanted, the rollout has 'staging'")
        assert await upshift.history() == []


async def explained(upshift: Running) -> dict[str, dict[str, object]]:
    answer = await upshift.ask("GET", "/api/v1/rollouts", params={"service": "checkout"})
    return {it["version"]: it for it in answer.body["versions"]}


async def test_what_is_explained_says_why_each_was_a_rollout_or_none(
    start: Start, agents: Agents
) -> None:
    async with start(RULES) as upshift:
        remember(upshift.redis, "1")
        await agents.start("1")
        _, new = await agents.start("2")
        await asyncio.to_thread(new.wait_for, 97)
        said = await explained(upshift)
        assert said["2"]["reason"].startswith("a rollout: it began to live")  # type: ignore[attr-defined]
        assert said["2"]["newest"]
        (outcome,) = said["2"]["outcomes"]
        assert outcome["outcome"] == "repeat"
        assert said["1"]["reason"].startswith("no rollout")  # type: ignore[attr-defined]


async def test_without_such_rules_nobody_looks_and_that_is_said(
    start: Start, agents: Agents
) -> None:
    async with start() as upshift:
        await agents.start("1")
        await upshift.controller.watches.rollouts.look()
        assert upshift.redis.get(KEYS.rollouts) is None
        answer = await upshift.ask("GET", "/api/v1/rollouts", params={"service": "checkout"})
        assert "there are no rules of on_rollout" in answer.body["problem"]


@pytest.mark.parametrize("query", [{}, {"service": ""}, {"service": "service/"}])
async def test_a_service_has_to_be_named(start: Start, query: dict[str, str]) -> None:
    async with start(RULES) as upshift:
        assert (await upshift.ask("GET", "/api/v1/rollouts", params=query)).status == 422


def test_the_command_says_that_nobody_looks(cli: Run) -> None:
    ended = cli("explain", "--rollout", "checkout")
    assert (ended.code, ended.err) == (0, "")
    assert "there are no rules of on_rollout" in ended.out


@pytest.mark.parametrize("arguments", [[], ["alert.json", "--rollout", "checkout"]])
def test_the_command_takes_one_or_the_other(offline: Run, arguments: list[str]) -> None:
    ended = offline("explain", *arguments)
    assert ended.code == 2
    assert "name one: a file with alerts, or --rollout SERVICE" in ended.err
