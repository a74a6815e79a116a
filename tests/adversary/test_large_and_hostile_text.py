"""Text from outside: however large or hostile, plans stay readable and cap is obeyed."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from controller.conftest import PRODUCTION, WEBHOOK, Answer, Running, alert, notification
from upshift_agent.contract import MAX_LEASE_BYTES, Baseline, Keys, Plan, decode_plan, is_plain
from upshift_agent.contract.resolve import resolve

KEYS = Keys()
#: More than a message may have; sent as a file, for aiohttp warns of a body that large.
HUGE = "x" * 5_000_000
HOSTILE = "x\n[error] forged\r\x1b[2J\u2028\u202e\x85\ud800"


def plan(upshift: Running, target: str = "service/checkout") -> Plan:
    return decode_plan(upshift.redis.get(KEYS.plan(target)))


async def cap(upshift: Running, target: str = "service/checkout", **more: Any) -> int:
    body = {"target": target, "kind": "cap", "hz": 0, "duration": "30m"}
    return (await cap_body(upshift, body | more)).status


async def cap_body(upshift: Running, body: dict[str, Any]) -> Answer:
    return await upshift.ask("POST", "/api/v1/leases", json=body)


async def ask(upshift: Running, method: str, path: str) -> Answer:
    """`path` is sent as it stands."""
    return await upshift.ask(method, URL(f"/api/v1/{path}", encoded=True))


def texts(document: object) -> list[str]:
    match document:
        case str():
            return [document]
        case dict():
            return [it for row in document.items() for part in row for it in texts(part)]
        case list():
            return [it for part in document for it in texts(part)]
    return []


@pytest.mark.parametrize(
    "hostile",
    [
        alert(PRODUCTION | {"alertname": "HighCPU", "sampling_trigger": HUGE}),
        alert(PRODUCTION | {"alertname": HUGE, "sampling_trigger": "high_cpu"}),
        alert(fingerprint=HUGE),
        alert(PRODUCTION | {"environment": HUGE}),
        alert(PRODUCTION | {"environment": '"' * 256}),
        alert(PRODUCTION | {"another": HUGE}),
    ],
    ids=["trigger", "alertname", "fingerprint", "environment", "quotes", "label"],
)
async def test_no_text_of_an_alert_makes_a_plan_that_agents_refuse(
    upshift: Running, hostile: Any
) -> None:
    body = io.BytesIO(json.dumps(notification(hostile)).encode())
    headers = {"Content-Type": "application/json"}
    assert (await upshift.ask("POST", WEBHOOK, data=body, headers=headers)).status == 200
    assert await cap(upshift) == 201
    agreed = plan(upshift)
    assert all(len(json.dumps(it.to_json())) < MAX_LEASE_BYTES for it in agreed.leases)
    decision = resolve([agreed], {}, Baseline(19), None, agreed.now_ms)
    assert decision.hz == 0


async def test_hostile_text_goes_nowhere_as_it_came(upshift: Running) -> None:
    """Into leases, states, plans, history, answers and the log: by alerts and by operators."""
    for name in ("alertname", "environment", "service_name", "sampling_trigger"):
        await upshift.notify(alert(PRODUCTION | {name: HOSTILE, "sampling_trigger": "high_cpu"}))
        await upshift.notify(alert(PRODUCTION | {name: HOSTILE}))
    await upshift.notify(alert(fingerprint=HOSTILE))
    reason = HOSTILE.removesuffix("\ud800")
    assert await cap(upshift, reason=reason, by=reason) == 201
    assert await cap(upshift, f"service/{reason}") == 422
    assert await cap(upshift, where={reason: "a"}) == 422
    assert await cap(upshift, where={"a": [reason]}) == 422
    leases = await upshift.leases()
    assert {it["kind"] for it in leases} == {"boost", "cap"}
    quoted = quote(HOSTILE.encode("utf-8", "surrogatepass"))
    asked = [
        *[("GET", it) for it in ("history", "targets", "leases", "targets/fleet", "agents")],
        *[("GET", f"history?{it}={quoted}") for it in ("target", "limit", quoted)],
        ("GET", f"history?target=service/{quoted}"),
        ("GET", quoted),
        ("DELETE", f"leases/{quoted}"),
        ("DELETE", f"targets/service/{quoted}/leases"),
        ("DELETE", f"leases/{leases[0]['id']}?by={quoted}"),
        ("GET", "targets/service/checkout"),
    ]
    said = [(await ask(upshift, *it)).body for it in asked]
    said.append((await cap_body(upshift, {"target": "fleet", reason: reason})).body)
    said.append(json.loads(upshift.redis.get(KEYS.state("service/checkout"))))
    assert [it for it in texts(said) if not is_plain(it)] == []
