"""Who asks APM Server for its configuration, as far as the request says. Pure.

Java's agent sends its whole metadata; Python's only service and environment.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from upshift_agent.contract import (
    ENVIRONMENT,
    HOST,
    INSTANCE,
    K8S_NAMESPACE,
    K8S_NODE,
    POD,
    SERVICE_VERSION,
)

SERVICE = "service.name"
MAX_BODY = 256 * 1024  # bytes, of a request once it is unpacked
MAX_TEXT = 1000  # characters

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Poll:
    """service, environment, instance: as it says them, empty where it does not. agent: such as
    `java`. attributes: all of that, and what it says of its host and pod."""

    service: str
    environment: str
    instance: str
    agent: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.service, self.environment, self.instance)


def read(query: Mapping[str, str], body: bytes, encoding: str, user_agent: str) -> Poll | None:
    """Of a GET the query says it, of a POST the body. None where no service is named."""
    said = _json(body, encoding) if body else {}
    service = _at(said, "service")
    name = _text(service, "name") or _text(query, "service.name")
    if not name:
        return None
    environment = _text(service, "environment") or _text(query, "service.environment")
    agent, system = _at(service, "agent"), _at(said, "system")
    kubernetes = _at(system, "kubernetes")
    pod = _text(_at(kubernetes, "pod"), "name")
    node = _text(_at(service, "node"), "configured_name")
    hosts = (_text(system, f"{kind}hostname") for kind in ("configured_", "detected_", ""))
    attributes = {
        SERVICE: name,
        ENVIRONMENT: environment,
        INSTANCE: node or _text(agent, "ephemeral_id"),
        SERVICE_VERSION: _text(service, "version"),
        HOST: next(filter(None, hosts), ""),
        POD: pod,
        K8S_NAMESPACE: _text(kubernetes, "namespace"),
        K8S_NODE: _text(_at(kubernetes, "node"), "name"),
        "container.id": _text(_at(system, "container"), "id"),
        "telemetry.sdk.language": _text(agent, "name") or _of(user_agent),
    }
    return Poll(
        name,
        environment,
        _text(agent, "ephemeral_id") or node or pod,
        attributes["telemetry.sdk.language"],
        {key: value for key, value in attributes.items() if value},
    )


def _of(user_agent: str) -> str:
    """`apm-agent-python/6.26 (…)` is `python`."""
    product = user_agent.partition("/")[0]
    return product.removeprefix("apm-agent-") if product.startswith("apm-agent-") else ""


def _json(body: bytes, encoding: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_unpacked(body, encoding))
    except (ValueError, RecursionError, zlib.error):
        return {}
    return found if isinstance(found, dict) else {}


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("gzip", "deflate"):
        body = zlib.decompressobj(wbits=47).decompress(body, MAX_BODY)  # gzip or zlib, as it says
    return body[:MAX_BODY]


def _at(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


def _text(said: Mapping[str, Any], key: str) -> str:
    found = said.get(key)
    return found[:MAX_TEXT] if isinstance(found, str) else ""
