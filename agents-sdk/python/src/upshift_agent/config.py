"""What an application asks of an agent, checked once: a `Config` that exists is usable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import attributes as identity
from .contract import (
    AGENT,
    DEFAULT_NAMESPACE,
    FLEET,
    HOST,
    INSTANCE,
    MAX_HZ,
    PID,
    POD,
    STARTED,
    canonical,
    check_namespace,
    check_target,
    node_of,
    node_target,
    service_target,
    shorten,
)
from .contract.address import parse_address
from .contract.errors import ConfigurationError, WireError

DEFAULT_BASELINE_HZ = 19  # the usual always-on frequency in production

#: As JSON in each status; `where` needs a few of them.
MAX_ATTRIBUTES_BYTES = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Raise `ConfigurationError` on anything that cannot work.

    baseline_hz: Hz without any plan, until the fleet's plan brings a baseline.
    max_hz: Hz that this process never exceeds, whatever anybody asks for.
    secrets: any of these may have signed a plan; empty means that plans need no signature.
    node: follow this node's plans first of all, as a host agent does, and report under it.
    surroundings: whether what this process finds of its own (pod, namespace, node) is the agent's.
    """

    redis_url: str = field(repr=False)  # it may hold a password
    service: str | None
    node: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    baseline_hz: int = DEFAULT_BASELINE_HZ
    max_hz: int | None = None
    namespace: str = DEFAULT_NAMESPACE
    secrets: Sequence[bytes] = field(default=(), repr=False)
    surroundings: bool = True

    def __post_init__(self) -> None:
        _check_url(self.redis_url)
        _check_hz("baseline_hz", self.baseline_hz)
        if self.max_hz is not None:
            _check_hz("max_hz", self.max_hz)
        check_namespace(self.namespace)
        if not isinstance(self.attributes, Mapping) or not all(
            isinstance(item, str) for pair in self.attributes.items() for item in pair
        ):
            raise ConfigurationError(
                f"attributes must map text to text, got {shorten(self.attributes)}"
            )
        _check_size(self.attributes)
        if self.service is None and self.node is None:
            raise ConfigurationError(
                'which service is this? Pass service="checkout", or set OTEL_SERVICE_NAME'
            )
        for name, value in (("service", self.service), ("node", self.node)):
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(f"{name} must be text, got {shorten(value)}")
        try:
            for target in self._named:
                check_target(target)
        except WireError as error:
            raise ConfigurationError(f"service or node cannot be used: {error}") from error

    @property
    def _named(self) -> tuple[str, ...]:
        node = [] if self.node is None else [node_target(self.node)]
        service = [] if self.service is None else [service_target(self.service)]
        return (*node, *service)

    def targets(self, attributes: Mapping[str, str]) -> tuple[str, ...]:
        """What an agent with these attributes follows; it reports under the first.

        The node that it is on comes last but the fleet: what holds for all of a node holds for
        those, too, whom no host agent looks after.
        """
        found = node_of(attributes)
        node = () if found is None else (node_target(found),)
        with suppress(WireError):  # a host may be called anything
            return tuple(dict.fromkeys((*self._named, *map(check_target, node), FLEET)))
        return (*self._named, FLEET)

    @property
    def source(self) -> tuple[str, str, tuple[bytes, ...], str]:
        """Agents that have the same one share what they follow with. See `following.thread`."""
        sharded = parse_address(self.redis_url).kind == "cluster"
        home = self._named[0] if sharded else FLEET
        return self.redis_url, self.namespace, tuple(self.secrets), home

    def identity(self, environ: Mapping[str, str], agent: str) -> dict[str, str]:
        """The attributes of an agent in *this* process; a forked child has its own.

        agent: what is unique to it.
        """
        local = identity.local(environ)
        own = {name: local[name] for name in (PID, STARTED) if name in local}
        if not self.surroundings:
            local = {HOST: local[HOST]}
        named = {} if self.service is None else {identity.SERVICE: self.service}
        node = {} if self.node is None else {"host.name": self.node}
        found = dict(canonical({**local, **node, **self.attributes, **named}))
        found.setdefault(INSTANCE, found.get(POD, found["host.name"]))
        return found | own | {AGENT: agent}


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Arguments for `Agent`, from UPSHIFT_* and OTEL_*. Raise `ConfigurationError`."""
    if not (url := environ.get("UPSHIFT_REDIS_URL", "").strip()):
        raise ConfigurationError(
            "UPSHIFT_REDIS_URL is not set; it is the address of the controller's Redis, "
            "such as redis://127.0.0.1:6379"
        )
    found = identity.from_environment(environ)
    arguments: dict[str, Any] = {
        "redis_url": url,
        "service": found.get(identity.SERVICE),
        "attributes": found,
    }
    for name in ("baseline_hz", "max_hz"):
        if text := environ.get(f"UPSHIFT_{name.upper()}", "").strip():
            arguments[name] = _whole_hz(f"UPSHIFT_{name.upper()}", text)
    for name in ("driver", "namespace"):
        if text := environ.get(f"UPSHIFT_{name.upper()}", "").strip():
            arguments[name] = text
    if path := environ.get("UPSHIFT_SECRET_FILE", "").strip():
        arguments["secrets"] = _read_secrets(path)
    return arguments


def as_secrets(given: str | bytes | Sequence[str | bytes]) -> tuple[bytes, ...]:
    """One secret, or several while they are being changed. Raise `ConfigurationError`."""
    several = [given] if isinstance(given, str | bytes) else given
    if not isinstance(several, Sequence) or not all(
        isinstance(secret, str | bytes) and secret for secret in several
    ):
        raise ConfigurationError("secrets must be one text or bytes, or a list of them, none empty")
    try:
        return tuple(s.encode() if isinstance(s, str) else s for s in several)
    except UnicodeEncodeError:  # which would show the secret
        raise ConfigurationError("a secret is not valid Unicode; bytes may be anything") from None


def _read_secrets(path: str) -> tuple[bytes, ...]:
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise ConfigurationError(f"UPSHIFT_SECRET_FILE cannot be read: {error}") from error
    secrets = tuple(filter(None, (line.strip() for line in lines)))
    if not secrets:
        # An empty file must not mean "no signatures needed".
        raise ConfigurationError(f"UPSHIFT_SECRET_FILE {path} is empty; it holds one secret a line")
    return secrets


def _whole_hz(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigurationError(f"{name} must be whole Hz, got {shorten(text)}") from None


def _check_hz(name: str, hz: object) -> None:
    if isinstance(hz, bool) or not isinstance(hz, int) or not 0 <= hz <= MAX_HZ:
        raise ConfigurationError(f"{name} must be 0–{MAX_HZ} whole Hz, got {shorten(hz)}")


def _check_url(url: object) -> None:
    try:
        parse_address(url)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"redis_url cannot be used: {error}; right would be redis://127.0.0.1:6379"
        ) from None


def _check_size(attributes: Mapping[str, str]) -> None:
    try:
        size = sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())
    except UnicodeEncodeError:
        raise ConfigurationError("attributes must be valid Unicode") from None
    if size > MAX_ATTRIBUTES_BYTES:
        raise ConfigurationError(
            f"attributes may take {MAX_ATTRIBUTES_BYTES} bytes together, these take {size}"
        )
