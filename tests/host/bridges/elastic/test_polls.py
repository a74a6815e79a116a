"""Who asks for settings, as far as the request says."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.bridges.elastic.polls import MAX_BODY, read
from upshift_host.bridges.naming import attributes, service

#: As Java's agent 1.55.1 has sent it.
JAVA = {
    "service": {
        "name": "billing",
        "environment": "production",
        "agent": {"name": "java", "ephemeral_id": "f71b8ac5", "version": "1.55.1"},
        "version": "1.2",
        "node": {"configured_name": "billing-1"},
    },
    "process": {"pid": 20869},
    "system": {
        "detected_hostname": "vm",
        "kubernetes": {"namespace": "shop", "pod": {"name": "billing-x"}, "node": {"name": "w3"}},
    },
}


def test_javas_agent_says_all_of_itself() -> None:
    poll = read({}, json.dumps(JAVA).encode(), "", "apm-agent-java/1.55.1 (billing 1.2)")
    assert poll is not None
    assert (poll.key, poll.agent) == (("billing", "production", "f71b8ac5"), "java")
    assert poll.attributes == {
        "service.name": "billing",
        "deployment.environment.name": "production",
        "service.instance.id": "billing-1",
        "service.version": "1.2",
        "host.name": "vm",
        "k8s.pod.name": "billing-x",
        "k8s.namespace.name": "shop",
        "k8s.node.name": "w3",
        "telemetry.sdk.language": "java",
    }


def test_pythons_agent_says_service_and_environment_and_what_it_is_by_its_user_agent() -> None:
    body = b'{"service": {"name": "stock", "environment": "staging"}}'
    poll = read({}, body, "", "apm-agent-python/6.26.2 (stock)")
    assert poll is not None
    assert (poll.key, poll.agent) == (("stock", "staging", ""), "python")


def test_a_get_says_it_in_its_query() -> None:
    poll = read({"service.name": "web", "service.environment": "staging"}, b"", "", "curl/8")
    assert poll is not None
    assert (poll.key, poll.agent) == (("web", "staging", ""), "")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_body_may_be_packed_and_no_bomb_is_unpacked(pack: object) -> None:
    assert callable(pack)
    assert read({}, pack(json.dumps(JAVA).encode()), "gzip", "") is not None
    assert read({}, pack(b" " * 10 * MAX_BODY + json.dumps(JAVA).encode()), "gzip", "") is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b'{"service": 1}', b'{"service": {"name": 1}}', b"\xff", b"[" * 99_999,
     b'{"service": {"name": ""}}', b"NaN"],
)  # fmt: skip
def test_who_names_no_service_is_nobody(body: bytes) -> None:
    assert read({}, body, "", "") is None
    assert read({}, body, "gzip", "") is None


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=9), st.integers(1, 99))
def test_whatever_is_said_attributes_are_plain_and_bounded(said: dict[str, str], by: int) -> None:
    many = {
        f"{key}{number}" * by: value * by for number in range(20) for key, value in said.items()
    }
    found = attributes({"service.name": "a\n" + "b" * 999, **many}, {"x": "y"})
    assert len(found) <= 64
    assert sum(len(key.encode()) + len(value.encode()) for key, value in found.items()) < 32_768
    assert all("\n" not in key + value for key, value in found.items())
    name = service(found)
    assert name is not None
    assert len(f"service/{name}".encode()) <= 256
