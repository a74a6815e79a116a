"""Names: targets, attributes, and every Redis key and channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .errors import ConfigurationError, WireError
from .reading import dump, parse, shorten, strings
from .text import is_plain

DEFAULT_NAMESPACE = "upshift"
FLEET = "fleet"
#: Longest target in bytes of UTF-8; longer names are refused where they come in.
MAX_TARGET_BYTES = 256
#: Longest member of `versions`.
MAX_VERSION_BYTES = 4096

ENVIRONMENT = "deployment.environment.name"
INSTANCE = "service.instance.id"
#: Of one agent in one process, and new after a fork. OpenTelemetry has no name for that: workers
#: share an instance id, and containers that share a host may share their pids, too.
AGENT = "upshift.agent.id"
PID = "process.pid"
#: With its pid, which process it is: when that began, in clock ticks since its host booted, field
#: 22 of Linux's /proc/PID/stat. By them a host agent knows whom an SDK looks after already.
#: (OpenTelemetry's `process.creation.time` is the wall clock's, another one after a correction.)
STARTED = "upshift.process.start_ticks"
POD = "k8s.pod.name"
HOST = "host.name"
K8S_NODE = "k8s.node.name"
K8S_NAMESPACE = "k8s.namespace.name"
K8S_CLUSTER = "k8s.cluster.name"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_VERSION = "service.version"
#: Older spellings of attributes, and the name they have now (OpenTelemetry semantic conventions).
ATTRIBUTE_ALIASES = {"deployment.environment": ENVIRONMENT}
#: A pin that names one of these is narrower than any target.
INSTANCE_ATTRIBUTES = frozenset({INSTANCE, POD, AGENT, PID})


#: Whose version it is, beside the service's name: `api` in one namespace is not `api` in another.
VERSION_SCOPE = ("service.name", ENVIRONMENT, K8S_NAMESPACE, SERVICE_NAMESPACE, K8S_CLUSTER)


def version_of(attributes: Mapping[str, str]) -> str | None:
    """Return the member of `versions` for an agent with these attributes; None where it has none.

    What no lease could name is left out, and without a service or a version there is none at all.
    """
    known = canonical(attributes)
    named = {it: known[it] for it in sorted((*VERSION_SCOPE, SERVICE_VERSION)) if known.get(it)}
    usable = {it: value for it, value in named.items() if _is_usable(value)}
    return dump(usable) if {VERSION_SCOPE[0], SERVICE_VERSION} <= usable.keys() else None


def read_version(member: bytes) -> dict[str, str]:
    """Return the attributes that a member of `versions` names. Raise `WireError`."""
    if len(member) > MAX_VERSION_BYTES:
        raise WireError(f"a version has at most {MAX_VERSION_BYTES} bytes, not {len(member)}")
    said = strings(parse(member), "version")
    wanted = (*VERSION_SCOPE, SERVICE_VERSION)
    named = {it: said[it] for it in wanted if said.get(it)}
    for name in (VERSION_SCOPE[0], SERVICE_VERSION):
        if name not in named:
            raise WireError(f"a version names its {name}, got {shorten(said)}")
    for name, value in named.items():
        if not _is_usable(value):
            raise WireError(f"{name} of a version cannot be used, got {shorten(value)}")
    check_target(service_target(named[VERSION_SCOPE[0]]))
    return named


def _is_usable(value: str) -> bool:
    return is_plain(value) and len(value.encode("utf-8", "replace")) <= MAX_TARGET_BYTES


#: Of a namespace: what leaves the hash tag, channel patterns and Redis users whole.
NAMESPACE = r"^[A-Za-z0-9._-]{1,64}$"


def check_namespace(namespace: object) -> str:
    """Return `namespace`, or raise `ConfigurationError` saying what one looks like."""
    if not isinstance(namespace, str) or not re.fullmatch(NAMESPACE.rstrip("$") + r"\Z", namespace):
        raise ConfigurationError(
            "a namespace is made of letters, digits, dots, dashes and underscores, at most 64 of "
            f"them, got {shorten(namespace)}"
        )
    return namespace


def service_target(name: str) -> str:
    return f"service/{name}"


def node_target(name: str) -> str:
    return f"node/{name}"


def node_of(attributes: Mapping[str, str]) -> str | None:
    """Return the node that an agent is on, by its attributes, or None if they do not tell.

    A host's name is a node's, unless a pod is known and no node: it is the pod's then.
    """
    if name := attributes.get(K8S_NODE):
        return name
    return None if POD in attributes else attributes.get(HOST)


def is_sharded(target: str) -> bool:
    """Whether, in a cluster, its changes are pushed by its own server only. A service's are. Those
    of the fleet and of nodes, which concern agents that are connected to any server, go to all."""
    return target.startswith("service/")


def check_target(target: str) -> str:
    """Return `target`, or raise `WireError` saying what a target looks like."""
    kind, slash, name = target.partition("/")
    if target != FLEET and not (slash and name and kind in ("service", "node")):
        raise WireError(f"a target is service/NAME, node/NAME or fleet, got {shorten(target)}")
    if not is_plain(target):
        raise WireError(
            f"a target's name has no line breaks, no control characters and nothing that is not "
            f"valid Unicode, got {shorten(target)}"
        )
    size = len(target.encode())
    if size > MAX_TARGET_BYTES:
        raise WireError(
            f"a target has at most {MAX_TARGET_BYTES} bytes, {shorten(target)} has {size}"
        )
    return target


def canonical(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """`attributes` under their present names; a present name beats its older spelling."""
    if ATTRIBUTE_ALIASES.keys().isdisjoint(attributes):
        return attributes
    named = {ATTRIBUTE_ALIASES.get(key, key): value for key, value in attributes.items()}
    return named | {key: attributes[key] for key in ATTRIBUTE_ALIASES.values() if key in attributes}


#: A target that needs no percent-encoding, as nearly all.
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(frozen=True, slots=True)
class Keys:
    """Every Redis key and channel. The `{T}` hash tag keeps a target's keys in one cluster slot.

    Raise `ConfigurationError` for a namespace that would break the tag or the channel pattern.
    """

    namespace: str = DEFAULT_NAMESPACE

    def __post_init__(self) -> None:
        check_namespace(self.namespace)

    def _of(self, target: str, what: str) -> str:
        # quote() leaves "~" alone, which the contract does not.
        plain = _PLAIN.fullmatch(target)
        tag = target if plain else quote(target, safe="/").replace("~", "%7E")
        return f"{self.namespace}:v1:{{{tag}}}:{what}"

    def state(self, target: str) -> str:
        return self._of(target, "state")

    def plan(self, target: str) -> str:
        return self._of(target, "plan")

    def changes(self, target: str) -> str:
        return self._of(target, "changes")

    def history(self, target: str) -> str:
        return self._of(target, "history")

    def agents(self, target: str) -> str:
        return self._of(target, "agents")

    def evidence(self, target: str) -> str:
        return self._of(target, "evidence")

    @property
    def due(self) -> str:
        return f"{self.namespace}:v1:due"

    @property
    def targets(self) -> str:
        return f"{self.namespace}:v1:targets"

    @property
    def reporting(self) -> str:
        """Sorted set target → last report (Redis ms), so that nobody needs SCAN to find agents."""
        return f"{self.namespace}:v1:reporting"

    @property
    def budget(self) -> str:
        return f"{self.namespace}:v1:budget"

    @property
    def versions(self) -> str:
        """Sorted set version (see `version_of`) → last report of any of its agents (Redis ms)."""
        return f"{self.namespace}:v1:versions"

    @property
    def rollouts(self) -> str:
        return f"{self.namespace}:v1:rollouts"
