"""`prometheus:` of `upshift.yaml`: whom the guards of rules ask, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, Field

from upshift_rules.documents.fields import Duration, Line
from upshift_rules.documents.located import Section
from upshift_rules.durations import format_duration

from .secrets import text_in, token_in

#: How often running boosts' `stop_if` may be asked.
STOP_IF_EVERY_MS = 15_000
LEAST_MS, MOST_MS = 1000, 5 * 60 * 1000


def _bounded(value: int) -> int:
    if not LEAST_MS <= value <= MOST_MS:
        bounds = f"{format_duration(LEAST_MS)}–{format_duration(MOST_MS)}"
        raise ValueError(f"must be {bounds}, got {format_duration(value)}")
    return value


class PrometheusEntry(Section):
    """The Prometheus that `only_if` and `stop_if` of rules ask."""

    url: Line = Field(
        pattern=r"^https?://[^/]",
        repr=False,  # it may hold a password
        description="Its URL, or that of whatever answers /api/v1/query like it.",
        examples=["http://prometheus:9090"],
    )
    token_file: Line | None = Field(
        default=None, description="File that holds a bearer token for it, alone."
    )
    ca_file: Line | None = Field(
        default=None, description="CA certificates that its own must be of. Default: public ones."
    )
    stop_if_every: Annotated[Duration, AfterValidator(_bounded)] = Field(
        default=STOP_IF_EVERY_MS,
        description="How often stop_if is asked while a boost runs, 1s–5m. Default: 15s.",
        json_schema_extra={"default": "15s"},
    )

    def connection(self) -> Prometheus:
        """Raise `StartRefused` when a file that it names cannot be read."""
        token = token_in(self.token_file)
        if self.ca_file is not None:
            text_in(self.ca_file)
        return Prometheus(self.url.rstrip("/"), token, self.ca_file)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Where one is, and how it is spoken to. url: may hold a user and a password."""

    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
