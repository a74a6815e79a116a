"""An agent's identity as OpenTelemetry Resource attributes. Pure but for `local()`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import unquote

from .contract.errors import ConfigurationError

SERVICE = "service.name"


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Read OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, which wins for `service.name`."""
    attributes = parse(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if service := environ.get("OTEL_SERVICE_NAME", "").strip():
        attributes[SERVICE] = service
    return attributes


def parse(text: str) -> dict[str, str]:
    """Read `key=value,key=value`, percent-encoded as W3C Baggage is.

    Raise `ConfigurationError` when a part is not a pair.
    """
    attributes = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals):
            raise ConfigurationError(
                f"OTEL_RESOURCE_ATTRIBUTES must read key=value,key=value, got {part!r}"
            )
        attributes[unquote(key)] = unquote(value)
    return attributes


def local(environ: Mapping[str, str]) -> dict[str, str]:
    """What this process knows about itself without being told: host, pod, pid."""
    host = os.uname().nodename
    found = {"host.name": host, "process.pid": str(os.getpid())}
    # K8S_POD_NAME and POD_NAME are what charts name the downward API's metadata.name; without it
    # a pod's host name is its name (unless hostNetwork is set, and then it takes being told).
    in_kubernetes = "KUBERNETES_SERVICE_HOST" in environ
    pod = environ.get("K8S_POD_NAME") or environ.get("POD_NAME") or (host if in_kubernetes else "")
    if pod:
        found["k8s.pod.name"] = pod
    return found
