"""`upshift.yaml`: what `upshift serve` needs to know. Every field says its unit and its default."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from upshift_agent.contract import DEFAULT_NAMESPACE, NAMESPACE
from upshift_rules.cost import Coefficients
from upshift_rules.documents.contradictions import above
from upshift_rules.documents.document import RuleDocument
from upshift_rules.documents.fields import Line, Text
from upshift_rules.documents.located import Section
from upshift_rules.documents.nodes import Path
from upshift_rules.model import DEFAULT_MAX_HZ
from upshift_rules.text import show

from .errors import StartRefused
from .sections import notify
from .sections.alertmanager import AlertmanagerEntry, faults
from .sections.backends import BackendsEntry
from .sections.limits import LimitsEntry
from .sections.notify import NotifyEntry
from .sections.prometheus import PrometheusEntry

DEFAULT_LISTEN = "127.0.0.1:9095"
#: The limit's name where a rule's file is told of it.
MAX_FREQUENCY = "limits.max_frequency"
Role = Literal["webhook", "viewer", "operator"]


class Token(Section):
    """A bearer token, in a file of its own."""

    name: Line = Field(
        min_length=1,
        max_length=64,
        description="Who holds it; the history names it.",
    )
    role: Role = Field(description="webhook: deliver alerts; viewer: read; operator: everything.")
    file: Line = Field(description="File that holds the token, alone; at least 16 bytes.")


def _network(value: str) -> str:
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(
            f"must be an address or a network such as 10.1.2.0/24, got {show(value)}"
        ) from error
    if not network.prefixlen:
        raise ValueError(f"must not be everywhere, got {show(value)}")
    return value


class AuthEntry(Section):
    """A proxy that signs people in, and says who asks. It must take the header away from them."""

    trusted_proxy: Annotated[Line, AfterValidator(_network)] = Field(
        description="Address or network (CIDR) of the proxy. From anywhere else the header is no "
        "sign of anybody."
    )
    user_header: Line = Field(
        default="X-Forwarded-User",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="Header with the name of who is signed in; the history names it.",
    )
    roles: dict[Text, Role] = Field(
        min_length=1, description="Role by name; `*` is everybody else who is signed in."
    )


class TlsEntry(Section):
    """PEM files. Certificate and key are read again with each reload."""

    certificate: Line = Field(description="File with the certificate, and the chain below it.")
    key: Line = Field(description="File with its key, not encrypted.")
    client_ca: Line | None = Field(
        default=None,
        description="CA file: a client certificate of these may deliver alerts, without a token.",
    )


class Settings(RuleDocument):
    """Upshift's controller: its settings, and with `sampling:` its rules."""

    confidential = frozenset(
        {"redis", "secret_file", "tokens", "alertmanager", "backends", "notify", "prometheus"}
    )

    listen: Line = Field(default=DEFAULT_LISTEN, description="HOST:PORT of the API.")
    redis: Line | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL. "
        "Default: a Valkey of its own.",
    )
    data: Line = Field(
        default="upshift-data", description="Folder of the own Valkey's append-only file."
    )
    namespace: Line = Field(
        default=DEFAULT_NAMESPACE,
        pattern=NAMESPACE,
        description="Prefix of every Redis key; agents need the same.",
    )
    secret_file: Line | None = Field(
        default=None,
        description="Secrets, one a line: the first signs plans, agents need it. All are believed.",
    )
    rules: Line | None = Field(
        default=None, description="File with the rules, where `sampling:` does not stand here."
    )
    tokens: list[Token] = Field(
        default_factory=list, description="Who may do what. Needed for any bind but loopback."
    )
    auth: AuthEntry | None = Field(
        default=None, description="Believe a proxy that signs people in, beside the tokens."
    )
    tls: TlsEntry | None = Field(default=None, description="Serve the API over TLS.")
    alertmanager: AlertmanagerEntry | None = Field(
        default=None, description="Read what Alertmanager lists, beside what it sends."
    )
    notify: NotifyEntry = Field(
        default_factory=NotifyEntry, description="Who else is told of boosts: Grafana, webhooks."
    )
    prometheus: PrometheusEntry | None = Field(
        default=None, description="The Prometheus that rules' only_if and stop_if ask."
    )
    backends: BackendsEntry = Field(
        default_factory=BackendsEntry,
        description="Where profiles are kept, for `upshift report`: Parca or Pyroscope.",
    )
    record: Line | None = Field(
        default=None,
        description="Folder where webhooks are kept for `upshift replay`. Default: they are not.",
    )
    max_body_mib: float = Field(
        default=16, gt=0, le=1024, description="Largest request body, in MiB."
    )
    history_length: int = Field(
        default=1000, ge=10, le=1_000_000, description="Entries of history kept per target."
    )
    cost: Coefficients = Field(
        default_factory=Coefficients,
        description="What `upshift cost` takes profiling to cost a node.",
    )
    limits: LimitsEntry = Field(
        default_factory=LimitsEntry, description="How much may be raised at all."
    )

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        yield from super().across(data)
        sampling, limits = data.get("sampling"), data.get("limits")
        if isinstance(sampling, dict):
            most = limits.get("max_frequency") if isinstance(limits, dict) else None
            for path, message in above(
                sampling, DEFAULT_MAX_HZ if most is None else most, MAX_FREQUENCY
            ):
                yield ("sampling", *path), message
        yield from _names(data.get("tokens"))
        for path, message in faults(data.get("alertmanager")):
            yield ("alertmanager", *path), message
        yield from notify.contradictions(data.get("notify"))
        if "sampling" in data and data.get("rules") is not None:
            yield ("rules",), "give either sampling or rules, not both"


def _names(tokens: object) -> Iterable[tuple[Path, str]]:
    """Names that two tokens have: the history could not tell who it was."""
    seen: set[str] = set()
    for index, token in enumerate(tokens if isinstance(tokens, list) else ()):
        name = token.get("name") if isinstance(token, dict) else None
        if isinstance(name, str) and name in seen:
            yield ("tokens", index, "name"), f"name {show(name)} is taken by a token above"
        elif isinstance(name, str):
            seen.add(name)


#: What a reload puts in force. Whatever else changes is named: it takes a restart.
RELOADED = {
    *RuleDocument.model_fields, "rules", "tokens", "auth", "secret_file", "limits", "alertmanager",
    "cost", "notify", "prometheus", "backends",
}  # fmt: skip  # a list


def needs_restart(before: Settings, after: Settings) -> list[str]:
    """The settings that changed and that a reload leaves as they were."""

    def fixed(settings: Settings, name: str) -> object:
        value = getattr(settings, name)
        # Certificate and key are read again, where there were any.
        return (value.client_ca,) if isinstance(value, TlsEntry) else value

    return [
        name
        for name in Settings.model_fields
        if name not in RELOADED and fixed(before, name) != fixed(after, name)
    ]


def split_listen(listen: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT or :PORT → (host, port). Raise `StartRefused` on anything else."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise StartRefused(f"listen must be HOST:PORT, such as {DEFAULT_LISTEN}, got {listen!r}")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104  # ":PORT" means everywhere


def check_exposure(listen: str, *, has_tokens: bool) -> None:
    """Closed by default: nothing but loopback is open to all. Raise `StartRefused`."""
    host, _ = split_listen(listen)
    if not has_tokens and not is_loopback(host):
        raise StartRefused(
            f"{listen} can be reached by others, and no tokens are set: add `tokens:` to the "
            f"configuration, or listen on {DEFAULT_LISTEN}"
        )


@lru_cache(maxsize=256)  # every request asks
@lru_cache(maxsize=256)  # of each request's `Host`, which is nearly always the same
def is_loopback(host: str) -> bool:
    """Whether a name or address leads to this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name; only one is known to lead nowhere else
        return host == "localhost"
