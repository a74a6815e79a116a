"""`bridge.yaml`: what it may say. Validation, JSON Schema and BRIDGES.md follow these models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from upshift_agent.contract import DEFAULT_NAMESPACE, NAMESPACE
from upshift_rules.documents.fields import BaselineHz, Duration, Hz, Line, Text
from upshift_rules.documents.located import Document, Section, must_be
from upshift_rules.documents.nodes import Path

from ..config.fields import HttpUrl, Listen

MAX_TEMPLATE = 65_536  # characters
HZ = "{hz}"


def _least_5_s(value: int) -> int:
    if not 5_000 <= value <= 300_000:
        raise ValueError("must be 5s–5m: agents come back no sooner, and a boost waits for it")
    return value


Poll = Annotated[Duration, AfterValidator(_least_5_s)]
Rate = Annotated[float, Field(ge=0, le=1), must_be("0–1")]
Most = Annotated[int, Field(ge=1, le=10_000), must_be("1–10000")]


class TlsEntry(Section):
    """TLS of what the bridge listens on."""

    certificate: Line = Field(description="PEM file with the certificate and its chain.")
    key: Line = Field(description="PEM file with its key, not encrypted.")
    client_ca: Line | None = Field(
        default=None, description="PEM file; only clients with a certificate of these are served."
    )


class ServedFile(Section):
    """A file of your own that is sent to every collector, as part of its remote configuration."""

    file: Line = Field(description="Its path.", examples=["collector.yaml"])
    name: Text | None = Field(
        default=None, description="Its name in the configuration map. Default: the file's."
    )
    number_before: Text | None = Field(
        default=None,
        description="The number before this text, on one line of it, is the frequency.",
        examples=["# upshift"],
    )


class OpampEntry(Section):
    """An OpAMP server, which supervisors connect to by WebSocket."""

    listen: Listen = Field(
        default="127.0.0.1:4320", description="HOST:PORT; any but loopback needs token_file or tls."
    )
    path: str = Field(
        default="/v1/opamp", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Path of the server."
    )
    tls: TlsEntry | None = Field(default=None, description="TLS. Default: none.")
    token_file: Line | None = Field(
        default=None,
        description="Bearer tokens, one a line, any of which lets a supervisor in.",
    )
    receiver: Text = Field(
        default="profiling", description="The receiver whose samples_per_second is set."
    )
    template: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TEMPLATE,
        description="What is sent in place of that; {hz} is the frequency, the one whole number "
        "that ever changes.",
    )
    off: str | None = Field(
        default=None,
        max_length=MAX_TEMPLATE,
        description="What is sent at 0 Hz. Default: the template at the lowest.",
    )
    files: list[ServedFile] = Field(
        default_factory=list, max_length=16, description="Remote configuration of your own."
    )
    lowest: Hz = Field(default=1, description="Hz that a collector is told at least.")
    highest: Hz = Field(default=1000, description="Hz that it is told at most.")
    most: Most = Field(default=1000, description="Collectors at a time; others are turned away.")


class ServerEntry(Section):
    """The APM Server behind."""

    url: HttpUrl = Field(description="Its URL.", examples=["http://apm-server:8200"])
    ca_file: Line | None = Field(
        default=None, description="Authorities that https trusts. Default: the system's."
    )


class ElasticEntry(Section):
    """A proxy before APM Server, which Elastic's agents have as their server."""

    listen: Listen = Field(default="127.0.0.1:8201", description="HOST:PORT.")
    tls: TlsEntry | None = Field(default=None, description="TLS. Default: none.")
    server: ServerEntry = Field(description="The APM Server behind.")
    poll: Poll = Field(default=5_000, description="How soon agents come back, 5s–5m.")
    transaction_sample_rate: Rate | None = Field(
        default=None,
        description="While a lease raises an agent, at least this share of its transactions is "
        "sampled. Default: traces are left alone.",
    )
    most: Most = Field(default=1000, description="Agents at a time; others get what is theirs.")


class BridgeDocument(Document):
    """Upshift's bridges to OpAMP and to Elastic APM."""

    confidential = frozenset({"redis", "secret_file"})

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
    attributes: dict[Text, Text] = Field(
        default_factory=dict,
        description="OpenTelemetry Resource attributes of every agent, where it has none itself.",
        examples=[{"deployment.environment.name": "production"}],
    )
    baseline: BaselineHz = Field(
        default=19, description="Hz until the controller's first plan says otherwise."
    )
    max_frequency: Hz | None = Field(
        default=None, description="No agent of the bridge is sampled faster, in Hz."
    )
    metrics: Listen | None = Field(
        default=None,
        description="Where Prometheus may ask for the bridge's own metrics, HOST:PORT.",
        examples=["127.0.0.1:9097"],
    )
    opamp: OpampEntry | None = Field(default=None, description="`upshift-agent bridge opamp`.")
    elastic: ElasticEntry | None = Field(
        default=None, description="`upshift-agent bridge elastic`."
    )

    @classmethod
    def across(cls, data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        if data.get("opamp") is None and data.get("elastic") is None:
            yield (), "give opamp or elastic: which bridge is it?"
        if isinstance(opamp := data.get("opamp"), dict):
            yield from _faults_of_opamp(opamp)


def _faults_of_opamp(entry: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
    files = entry.get("files")
    named = [it for it in files if isinstance(it, dict)] if isinstance(files, list) else []
    marked = sum(it.get("number_before") is not None for it in named)
    if marked > 1:
        yield ("opamp", "files"), "number_before may be in one file; the frequency is one number"
    ours = [name for name in ("receiver", "template", "off") if entry.get(name) is not None]
    if marked:
        for name in ours:
            yield ("opamp", name), f"{name} is for a text of ours; a file has the number already"
    elif "template" in ours and "receiver" in ours:
        yield ("opamp", "receiver"), "give receiver or template, not both"
    elif "off" in ours and "template" not in ours:
        yield ("opamp", "off"), "off is for a template"
    template = entry.get("template")
    if isinstance(template, str) and HZ not in template:
        yield ("opamp", "template"), f"template must hold {HZ}, where the frequency goes"
    lowest, highest = entry.get("lowest", 1), entry.get("highest", 1000)
    if isinstance(lowest, int) and isinstance(highest, int) and lowest > highest:
        yield (
            ("opamp", "lowest"),
            f"lowest must not be above highest, got {lowest} and {highest}",
        )
