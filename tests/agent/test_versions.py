"""What an agent tells of its version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conftest import Start
from servers import RedisServer, eventually
from upshift_agent.contract import Keys, read_version, version_of
from upshift_agent.contract.errors import WireError

KEYS = Keys()


def told(valkey: RedisServer) -> list[dict[str, Any]]:
    with valkey.client() as client:
        return [json.loads(member) for member in client.zrange(KEYS.versions, 0, -1)]


def test_its_version_is_told_with_the_first_report(valkey: RedisServer, start: Start) -> None:
    start(attributes={"service.version": "2.1.0", "deployment.environment": "production"})
    version = {
        "deployment.environment.name": "production",
        "service.name": "checkout",
        "service.version": "2.1.0",
    }
    eventually(lambda: told(valkey) == [version])


def test_all_agents_of_a_version_tell_one(valkey: RedisServer, start: Start) -> None:
    agents = [start(attributes={"service.version": "2", "n": f"{n}"}) for n in range(3)]
    eventually(lambda: all(agent.status is not None for agent in agents))
    eventually(lambda: told(valkey))
    assert len(told(valkey)) == 1


def test_a_version_that_the_environment_names_is_told(
    valkey: RedisServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=3")
    start()
    eventually(lambda: told(valkey) == [{"service.name": "checkout", "service.version": "3"}])


def test_an_agent_without_a_version_tells_none(valkey: RedisServer, start: Start) -> None:
    agent = start()
    eventually(lambda: agent.status)
    with valkey.client() as client:
        eventually(lambda: client.zcard(KEYS.reporting))
    assert told(valkey) == []


def test_where_it_may_not_tell_its_version_it_reports_all_the_same(
    valkey: RedisServer, start: Start
) -> None:
    with valkey.client() as client:
        client.set(KEYS.versions, "of another type")
        start(attributes={"service.version": "2"})
        eventually(lambda: client.hlen(KEYS.agents("service/checkout")))


names = st.sampled_from(
    ["service.name", "service.version", "deployment.environment", "deployment.environment.name",
     "k8s.namespace.name", "service.namespace", "k8s.cluster.name", "host.name"]
)  # fmt: skip
values = st.text(max_size=5) | st.sampled_from(["checkout", "x" * 256, "ü" * 129, "\ud800", "a\nb"])


@given(st.dictionaries(names, values))
def test_what_is_told_is_read_and_says_only_what_a_lease_could_name(
    attributes: dict[str, str],
) -> None:
    member = version_of(attributes)
    if member is None:
        return
    try:
        found = read_version(member.encode())
    except WireError:  # its service is no target, so it has no agent
        assert len(attributes["service.name"].encode()) > 256 - len("service/")
        return
    known = dict(attributes)
    known.setdefault("deployment.environment.name", attributes.get("deployment.environment", ""))
    assert all(known[name] == value for name, value in found.items())
    assert member == version_of(found)
