"""What `agent.yaml` may say. Validation, JSON Schema and the README's table follow these models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from upshift_agent.contract import DEFAULT_NAMESPACE, NAMESPACE
from upshift_rules.documents.document import FallbackEntry
from upshift_rules.documents.fields import BaselineHz, Hz, Line, Matchers, Text
from upshift_rules.documents.located import Document, Section
from upshift_rules.documents.nodes import Path

from .async_profiler import AsyncProfilerEntry
from .fields import CommandPattern, HttpUrl, Listen, Port
from .files import FileEntry, faults_of_files
from .pprof import PprofEntry

WAYS = ("command", "port", "unit")
BACKENDS = ("pyroscope", "parca")

Attributes = dict[Text, Text]


class WorkloadEntry(Section):
    """Processes that are named here. What is given of command, port and unit must all fit."""

    service: Text = Field(description="Their `service.name`.", examples=["checkout"])
    command: CommandPattern | None = Field(
        default=None,
        description="RE2 regular expression that is found in the command line, whose arguments "
        "have a blank between them.",
        examples=[r"python3? .*checkout\.py"],
    )
    port: Port | None = Field(default=None, description="TCP port that they listen on.")
    unit: Text | None = Field(
        default=None, description="Their systemd unit.", examples=["checkout.service"]
    )
    attributes: Attributes = Field(
        default_factory=dict, description="Further OpenTelemetry Resource attributes of them."
    )


class DiscoveryEntry(Section):
    """What else makes a process a workload."""

    environment: bool = Field(
        default=True,
        description="OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES in a process's environment.",
    )
    containers: bool = Field(
        default=True,
        description="What Docker or containerd call a container, where their socket is there.",
    )
    kubernetes: bool = Field(
        default=True,
        description="The pods of this node and their labels, by the API, where this is a pod too.",
    )


class PyroscopeEntry(Section):
    """A Pyroscope server, which profiles are pushed to (`/ingest`)."""

    url: HttpUrl = Field(description="Its URL.", examples=["http://pyroscope:4040"])
    tenant: Text | None = Field(default=None, description="Tenant, sent as X-Scope-OrgID.")
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token, alone."
    )


class ParcaEntry(Section):
    """A Parca server, which profiles are pushed to (`WriteRaw`)."""

    url: HttpUrl = Field(description="Its URL.", examples=["http://parca:7070"])
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token, alone."
    )


class AgentDocument(Document):
    """Upshift's host agent."""

    confidential = frozenset({"redis", "secret_file", *BACKENDS})

    redis: Line = Field(
        repr=False,  # it may hold a password
        description="The controller's Redis: a redis://, rediss://, unix://, redis+sentinel:// or "
        "redis+cluster:// URL.",
        examples=["redis://redis.internal:6379"],
    )
    namespace: Line = Field(
        default=DEFAULT_NAMESPACE, pattern=NAMESPACE, description="As the controller has it."
    )
    secret_file: Line | None = Field(
        default=None, description="Secrets that plans must be signed with, one a line."
    )
    node: Text | None = Field(
        default=None,
        description="This node's name. Default: NODE_NAME in the environment, else the host's.",
    )
    attributes: Attributes = Field(
        default_factory=dict,
        description="OpenTelemetry Resource attributes of the node and of every workload.",
        examples=[{"deployment.environment.name": "production"}],
    )
    baseline: BaselineHz = Field(
        default=19, description="Hz until the controller's first plan says otherwise; 0: none."
    )
    max_frequency: Hz | None = Field(
        default=None, description="No workload of this host is sampled faster, in Hz."
    )
    fallback_strategy: list[FallbackEntry] = Field(
        default_factory=lambda: [
            FallbackEntry(method="ebpf", priority=1),
            FallbackEntry(method="push", priority=2),
            FallbackEntry(method="pull", priority=3),
        ],
        min_length=1,
        description="Ways to profile, tried in order of priority. Default: ebpf, push, pull.",
    )
    workloads: list[WorkloadEntry] = Field(
        default_factory=list, description="Processes by what they are; the first entry that fits."
    )
    discovery: DiscoveryEntry = Field(
        default_factory=DiscoveryEntry, description="Where else workloads are looked for."
    )
    files: list[FileEntry] = Field(
        default_factory=list,
        description="Profilers that somebody else runs, each driven by a file that it reads.",
    )
    pprof: PprofEntry | None = Field(
        default=None, description="Go's net/http/pprof, asked over HTTP. Default: nobody is."
    )
    async_profiler: AsyncProfilerEntry | None = Field(
        default=None, description="async-profiler in JVMs. Default: it is not loaded into any."
    )
    select: Matchers | None = Field(
        default=None,
        description="Alertmanager matchers on attributes (`service_name` is service.name); a "
        "workload that does not fit all of them is left alone. Default: all matter.",
        examples=[['service_name=~"checkout|cart"']],
    )
    pyroscope: PyroscopeEntry | None = Field(
        default=None, description="Where profiles go: this, or parca."
    )
    parca: ParcaEntry | None = Field(
        default=None, description="Where profiles go: this, or pyroscope."
    )

    metrics: Listen | None = Field(
        default=None,
        description="Where Prometheus may ask for this process's own metrics, HOST:PORT.",
        examples=["127.0.0.1:9096"],
    )

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        given = [name for name in BACKENDS if data.get(name) is not None]
        if len(given) != 1:
            yield (
                (given[-1],) if given else (),
                "give either pyroscope or parca, where profiles are to go"
                + (", not both" if given else ""),
            )
        yield from _faults_of_workloads(data.get("workloads"))
        yield from _faults_of_methods(data.get("fallback_strategy"))
        yield from faults_of_files(data.get("files"))


class WithoutRedis(AgentDocument):
    """As it may be where the environment says which Redis."""

    redis: Line = Field(default="", repr=False)


def _faults_of_workloads(entries: Any) -> Iterable[tuple[Path, str]]:
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and all(entry.get(way) is None for way in WAYS):
            yield (
                ("workloads", place),
                "an entry of workloads needs command, port or unit: which processes are they?",
            )


def _faults_of_methods(entries: Any) -> Iterable[tuple[Path, str]]:
    seen: set[str] = set()
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        method = entry.get("method") if isinstance(entry, dict) else None
        if isinstance(method, str):
            if method in seen:
                yield (
                    ("fallback_strategy", place, "method"),
                    f"method {method} is given a second time; keep one",
                )
            seen.add(method)
