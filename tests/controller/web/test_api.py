"""Overrides and looking: the API as operators use it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from contract.statuses import applied, requested
from controller.conftest import Running, alert
from upshift_agent.contract import Keys, Status, encode_status
from upshift_controller.views import models

KEYS = Keys()


def lease(**changes: Any) -> dict[str, Any]:
    return {"target": "service/checkout", "kind": "boost", "hz": 99, "duration": "10m"} | changes


async def test_an_override_is_granted_and_its_author_is_in_the_history(upshift: Running) -> None:
    answer = await upshift.ask("POST", "/api/v1/leases", json=lease(by="ann", reason="slow"))
    assert answer.status == 201
    granted = models.Done.model_validate(answer.body).outcome
    (held,) = await upshift.leases()
    assert (held["id"], held["hz"]) == (granted.lease, 99)
    assert 590_000 < held["remaining_ms"] <= 600_000
    history = await upshift.ask("GET", "/api/v1/history")
    entry = models.History.model_validate(history.body).entries[0]
    assert (entry.event, entry.by) == ("granted", "ann")
    assert entry.reason == f"{granted.lease}: slow, by ann"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"target": "checkout"}, "a target is service/NAME, node/NAME or fleet, got 'checkout'"),
        ({"target": "service/" + "x" * 10_240}, "at most 256 bytes"),
        ({"kind": "push"}, "'boost', 'pin' or 'cap'"),
        ({"hz": 0}, "a boost must be 1–1000 Hz here, got 0"),
        ({"hz": 1001}, "a boost must be 1–1000 Hz here, got 1001"),
        ({"hz": 10**30}, "a boost must be 1–1000 Hz here, got 1000"),
        ({"hz": -1, "kind": "cap"}, "a cap must be 0–1000 Hz here, got -1"),
        ({"hz": 49.5}, "hz: input should be a valid integer"),
        ({"hz": 1001, "profile": "heap"}, "a boost must be 1–1000 an hour here, got 1001"),
        ({"profile": "gpu"}, "profile: input should be 'cpu', 'wall', 'alloc', 'lock', 'heap'"),
        ({"profile": "all"}, "a boost must be cpu or wall or alloc or lock or heap, got 'all'"),
        ({"duration": "25h"}, "a lease must last 1s–1d, got 1d1h"),
        ({"duration": "0s"}, "a lease must last 1s–1d, got 0s"),
        ({"duration": "ten"}, "duration"),
        ({"duration": "9" * 5000 + "h"}, "duration"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"where": {"a": 1}}, "where"),
    ],
)
async def test_an_override_out_of_bounds_is_refused_and_changes_nothing(
    upshift: Running, changes: dict[str, Any], says: str
) -> None:
    answer = await upshift.ask("POST", "/api/v1/leases", json=lease(**changes))
    assert answer.status == 422
    assert says in answer.body["detail"]
    assert upshift.redis.keys("*checkout*") == []


async def test_a_lease_is_released_by_its_id_wherever_it_is(upshift: Running) -> None:
    await upshift.ask("POST", "/api/v1/leases", json=lease(kind="cap", hz=0))
    await upshift.ask("POST", "/api/v1/leases", json=lease(target="fleet"))
    own = [it for it in await upshift.leases() if it["target"] != "fleet"]
    answer = await upshift.ask("DELETE", f"/api/v1/leases/{own[0]['id']}?by=ann")
    assert answer.status == 200
    assert [it["target"] for it in await upshift.leases()] == ["fleet"]
    assert await upshift.history() == ["granted", "released"]
    again = await upshift.ask("DELETE", f"/api/v1/leases/{own[0]['id']}")
    assert again.status == 404
    assert "may have ended by itself" in again.body["detail"]


async def test_all_leases_of_a_target_are_released_at_once(upshift: Running) -> None:
    await upshift.notify(alert())
    await upshift.ask("POST", "/api/v1/leases", json=lease())
    answer = await upshift.ask("DELETE", "/api/v1/targets/service/checkout/leases")
    assert answer.body["outcome"]["outcome"] == "released"
    assert await upshift.leases() == []


async def report(upshift: Running, instance: str, **changes: Any) -> None:
    """An agent's status, as one writes it."""
    seconds, _ = upshift.redis.time()
    rev = json.loads(upshift.redis.get(KEYS.plan("service/checkout")) or '{"rev": 0}')["rev"]
    fleet = json.loads(upshift.redis.get(KEYS.plan("fleet")))["rev"]
    revs = {"service/checkout": rev, "fleet": fleet}
    now_ms = seconds * 1000
    fields: dict[str, Any] = {
        "instance": instance,
        "attributes": {"deployment.environment.name": "production"},
        "driver": "callable",
        "at_ms": now_ms,
        "state": "applied",
        "since_ms": now_ms,
        "requested": requested(100, revs),
        "applied": applied(100, revs, now_ms),
    }
    status = Status(**fields | changes)
    upshift.redis.hset(KEYS.agents("service/checkout"), instance, encode_status(status))
    upshift.redis.zadd(KEYS.reporting, {"service/checkout": now_ms})


async def test_an_agent_has_converged_when_its_driver_confirmed_the_newest_plan(
    upshift: Running,
) -> None:
    await report(upshift, "late/1", applied=None, state="applying")
    await upshift.notify(alert())
    await report(upshift, "good/1")
    await report(upshift, "old/1", applied=applied(100, at_ms=1))
    await report(upshift, "nack/1", state="failed", error="no such profiler")
    await report(upshift, "gone/1", at_ms=1)
    answer = await upshift.ask("GET", "/api/v1/targets/service/checkout")
    view = models.TargetView.model_validate(answer.body)
    assert {it.instance: (it.state, it.converged) for it in view.agents} == {
        "good/1": ("applied", True),
        "late/1": ("applying", False),
        "old/1": ("applied", False),
        "nack/1": ("failed", False),
        "gone/1": ("lost", False),
    }
    assert view.converged is False
    good = next(it for it in view.agents if it.instance == "good/1")
    wanted = good.requested.profiles["cpu"]
    assert (wanted.hz, wanted.reason[:14]) == (100, "boost high_cpu")
    summary = await upshift.ask("GET", "/api/v1/targets")
    (row,) = [
        it
        for it in models.Targets.model_validate(summary.body).targets
        if it.target == "service/checkout"
    ]
    assert row.requested_hz == {"cpu": [100]}
    assert (row.agents, row.converged, row.lost) == (4, 1, 1)
    everybody = await upshift.ask("GET", "/api/v1/agents")
    assert len(models.Agents.model_validate(everybody.body).agents) == 5


async def test_events_tell_every_change_as_it_happens(upshift: Running) -> None:
    async with upshift.client.get("/api/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        await upshift.notify(alert())
        lines = []
        async with asyncio.timeout(10):
            while not any(line.startswith("data:") for line in lines):
                lines.append((await stream.content.readline()).decode().strip())
    assert "event: granted" in lines
    entry = json.loads(next(line for line in lines if line.startswith("data:"))[5:])
    assert entry["target"] == "service/checkout"
    assert entry["lease"]["hz"] == 100


async def test_the_openapi_document_has_every_route_and_resolves(upshift: Running) -> None:
    document = (await upshift.ask("GET", "/api/v1/openapi.json")).body
    paths = {"/api/v1/leases/{id}", "/api/v1/targets/{target}", "/api/v1/explain", "/-/reload"}
    assert paths <= set(document["paths"])
    schemas = document["components"]["schemas"]
    for name in _references(document):
        assert name in schemas


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"].rpartition("/")[2]} if "$ref" in node else set()
        return own.union(*(_references(it) for it in node.values()))
    return set().union(*(_references(it) for it in node)) if isinstance(node, list) else set()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/leases", 405),
        ("GET", "/api/v1/targets/checkout", 422),
        ("GET", "/api/v1/history?limit=0", 422),
        ("GET", "/api/v1/history?limit=many", 422),
        ("GET", "/api/v1/history?colour=red", 422),
        ("DELETE", "/api/v1/leases/nobody", 404),
    ],
)
async def test_every_error_is_a_problem_document(
    upshift: Running, method: str, path: str, status: int
) -> None:
    answer = await upshift.ask(method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    models.ProblemView.model_validate(answer.body)
