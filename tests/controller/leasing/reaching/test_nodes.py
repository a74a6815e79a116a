"""A lease on a node is for every agent on it, and is shown and counted so."""

from __future__ import annotations

from dataclasses import replace

from controller.conftest import Running, Start
from controller.limiting import KEYS, at_rest, budget, override
from upshift_agent.contract import Applied, decode_plan, encode_status

NODE = "node/worker-3"


def report(running: Running, service: str, *hosts: str) -> None:
    now_ms = running.redis.time()[0] * 1000
    for number, host in enumerate(hosts):
        status = at_rest(f"{service}-{number}", {"host.name": host}, now_ms)
        running.redis.hset(KEYS.agents(service), status.instance, encode_status(status))
    running.redis.zadd(KEYS.reporting, {service: now_ms})


async def test_the_agents_of_a_node_are_those_on_it_whatever_they_report_under(
    upshift: Running,
) -> None:
    report(upshift, "service/checkout", "worker-3", "worker-4")
    report(upshift, "service/cart", "worker-3")
    report(upshift, NODE, "worker-3")
    view = (await upshift.ask("GET", f"/api/v1/targets/{NODE}")).body
    assert [it["target"] for it in view["agents"]] == [NODE, "service/cart", "service/checkout"]
    rows = (await upshift.ask("GET", "/api/v1/targets")).body["targets"]
    assert {it["target"]: it["agents"] for it in rows} == {
        "fleet": 4,
        NODE: 3,
        "service/cart": 1,
        "service/checkout": 2,
    }
    scrape = (await upshift.ask("GET", "/metrics")).body
    assert 'upshift_agents{state="applied"} 4.0\n' in scrape, "each once"


async def test_a_boost_of_a_node_takes_room_for_the_agents_on_it(start: Start) -> None:
    async with start("limits: {max_boosted_agents: 2}\n") as running:
        report(running, "service/checkout", "worker-3", "worker-4")
        report(running, "service/cart", "worker-3")
        assert (await override(running, target=NODE)).status == 201
        assert [row[2] for row in budget(running).values()] == [2]
        refused = await override(running, target="service/cart")
        assert (refused.status, "2 are boosted" in refused.body["detail"]) == (409, True)


async def test_who_lives_is_counted_for_each_target_that_agents_follow(upshift: Running) -> None:
    report(upshift, "service/checkout", "worker-3", "worker-4")
    report(upshift, NODE, "worker-3")
    live = await upshift.controller.records.live()
    assert {target: it.profilers for target, it in live.items()} == {
        "service/checkout": 2,
        NODE: 2,
        "node/worker-4": 1,
        "fleet": 3,
    }
    assert {profile for it in live.values() for profile in it.profiles} == {"cpu"}


async def test_an_agent_that_has_not_heard_of_its_nodes_plan_has_not_converged(
    upshift: Running,
) -> None:
    report(upshift, "service/checkout", "worker-3")
    fleet = upshift.redis.get(KEYS.plan("fleet"))
    heard = {"fleet": decode_plan(fleet).rev}
    status = at_rest("checkout-0", {"host.name": "worker-3"}, upshift.redis.time()[0] * 1000)
    assert isinstance(status.applied, Applied)
    status = replace(status, applied=replace(status.applied, revs=heard))
    upshift.redis.hset(KEYS.agents("service/checkout"), "checkout-0", encode_status(status))

    async def stands() -> list[tuple[int, bool]]:
        paths = ("targets/service/checkout", f"targets/{NODE}", "agents")
        rows = [(await upshift.ask("GET", f"/api/v1/{it}")).body["agents"][0] for it in paths]
        return [(it["requested"]["profiles"]["cpu"]["hz"], it["converged"]) for it in rows]

    assert await stands() == [(19, True)] * 3
    await override(upshift, target=NODE)
    assert await stands() == [(99, False)] * 3
