"""An agent's identity as OpenTelemetry Resource attributes. Pure but for `local()`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from .contract import (
    ENVIRONMENT,
    HOST,
    K8S_CLUSTER,
    K8S_NAMESPACE,
    K8S_NODE,
    MAX_TARGET_BYTES,
    PID,
    POD,
    SERVICE_NAMESPACE,
    SERVICE_VERSION,
    STARTED,
    canonical,
    is_plain,
)
from .contract.errors import ConfigurationError

SERVICE = "service.name"
#: Where Kubernetes tells each container its namespace, unless its service account is not mounted.
NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


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
    """What this process knows about itself without being told: host, pod, process, where it runs,
    as far as alerts may ask for that."""
    host = os.uname().nodename
    found = {HOST: host, PID: str(os.getpid())}
    with suppress(OSError, IndexError):  # on Linux only
        # Behind the program's name, which may hold blanks and brackets.
        found[STARTED] = (
            Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
        )
    # K8S_POD_NAME and POD_NAME are what charts name the downward API's metadata.name; without it
    # a pod's host name is its name (unless hostNetwork is set, and then it takes being told).
    in_kubernetes = "KUBERNETES_SERVICE_HOST" in environ
    pod = environ.get("K8S_POD_NAME") or environ.get("POD_NAME") or (host if in_kubernetes else "")
    if pod:
        found[POD] = pod
    otel: Mapping[str, str] = {}
    with suppress(ConfigurationError):  # where it matters, `from_environment` has told
        otel = canonical(parse(environ.get("OTEL_RESOURCE_ATTRIBUTES", "")))
    elsewhere = {
        K8S_NAMESPACE: (
            *map(environ.get, ("K8S_NAMESPACE_NAME", "POD_NAMESPACE")),
            _of_service_account(),
        ),
        K8S_NODE: (environ.get("K8S_NODE_NAME"),),
    }
    named = (ENVIRONMENT, K8S_NAMESPACE, SERVICE_NAMESPACE, K8S_CLUSTER, K8S_NODE, SERVICE_VERSION)
    for name in named:
        for said in (otel.get(name), *elsewhere.get(name, ())):
            # An empty one says nothing, and others no lease could name.
            if said and len(said) <= MAX_TARGET_BYTES and is_plain(said):
                found[name] = said
                break
    return found


def _of_service_account() -> str | None:
    """The namespace that Kubernetes has put into this container, if any."""
    try:
        with open(NAMESPACE_FILE, encoding="utf-8") as file:
            return file.read(MAX_TARGET_BYTES + 1).strip()
    except (OSError, UnicodeDecodeError):
        return None
