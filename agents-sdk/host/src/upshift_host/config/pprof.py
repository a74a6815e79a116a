"""`pprof:` of `agent.yaml`: whom to ask for Go's profiles."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from upshift_rules.documents.fields import Line, Text
from upshift_rules.documents.located import Section

from ..workload import LANGUAGES, Language
from .fields import HttpUrl, Port

GO: Final[Language] = "go"


class PprofTarget(Section):
    """A target anywhere. It has an agent for as long as the host agent runs."""

    service: Text = Field(description="Its `service.name`.", examples=["checkout"])
    url: HttpUrl = Field(
        description="Its URL, with the path.", examples=["http://10.0.0.7:6060/debug/pprof"]
    )
    attributes: dict[Text, Text] = Field(
        default_factory=dict, description="Further OpenTelemetry Resource attributes of it."
    )
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token, alone; read for each request."
    )
    ca_file: Line | None = Field(
        default=None, description="Authorities that https trusts. Default: the system's."
    )


class PprofEntry(Section):
    """Processes of this host that listen on one of `ports`, and targets anywhere."""

    ports: list[Port] = Field(
        default_factory=lambda: [6060],
        max_length=16,
        description="TCP ports where workloads of this host serve it; the first that one has.",
    )
    languages: list[Language] = Field(
        default_factory=lambda: [GO],
        min_length=1,
        max_length=len(LANGUAGES),
        description="Of workloads that may serve it there. Others than Go do by a library.",
    )
    path: str = Field(
        default="/debug/pprof", pattern=r"^(/[A-Za-z0-9._~-]+)+$", description="Its path there."
    )
    tls: bool = Field(default=False, description="Whether they speak https.")
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token for them, alone."
    )
    ca_file: Line | None = Field(
        default=None, description="Authorities that https trusts. Default: the system's."
    )
    targets: list[PprofTarget] = Field(default_factory=list, description="Others, by their URL.")
