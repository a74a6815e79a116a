"""One entry of `schedules`: what it may say, and the schedule that it becomes."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from upshift_agent.contract import check_target
from upshift_agent.contract.errors import WireError

from ..cron import ORDER, Cron, parse_cron
from ..model import Schedule
from ..text import nearest, normalised, show
from .fields import Attributes, BaselineHz, Duration, Jitter, Name, Profiles, Text, where_of
from .located import Section

#: Each is looked at now and then, and its next times are worked out.
MAX_SCHEDULES = 256
#: What a tz database has besides IANA's zones: they mean another time on each machine, or none.
_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all time zones that are known here."""
    return frozenset(available_timezones()) - _NO_ZONES


def _zone(value: str) -> str:
    if value not in zones():
        cities = {normalised(it.rpartition("/")[2]): it for it in sorted(zones())}
        meant = nearest(value, zones()) if "/" in value else cities.get(normalised(value))
        hint = f"; did you mean {show(meant)}?" if meant else ""
        raise ValueError(
            f"must be a time zone of IANA's, such as Europe/Berlin, got {show(value)}{hint}"
        )
    return value


def _cron(value: object) -> Cron:
    if not isinstance(value, str):
        raise ValueError(f"must be text of five fields ({ORDER}), got {show(value)}")
    return parse_cron(value)


def _targets(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    for at, name in enumerate(names):
        try:
            check_target(name if isinstance(name, str) else "")
        except WireError as error:
            raise ValueError(
                f"must be service/NAME, node/NAME or fleet, or a list of them, got {show(name)}"
            ) from error
        if name in names[:at]:
            raise ValueError(f"must name each once, got {show(name)} twice")
    if not names:
        raise ValueError("must not be empty")
    return tuple(names)


_TARGET = {"type": "string"}


class ScheduleEntry(Section):
    """A boost or a cap for a while, again and again."""

    name: Name = Field(
        description="Its name in leases, logs and history; no rule may have it.",
        examples=["month_end"],
    )
    cron: Annotated[Cron, PlainValidator(_cron), WithJsonSchema({"type": "string"})] = Field(
        description=f"When it begins, as in crontab(5): {ORDER} (0 and 7 are Sunday).",
        examples=['"30 2 * * mon-fri"'],
    )
    timezone: Annotated[Text, AfterValidator(_zone)] = Field(
        default="UTC",
        description="IANA time zone that the cron line is in.",
        examples=["Europe/Berlin"],
    )
    target: Annotated[
        tuple[str, ...],
        PlainValidator(_targets),
        WithJsonSchema({"anyOf": [_TARGET, {"type": "array", "items": _TARGET, "minItems": 1}]}),
    ] = Field(
        description="service/NAME, node/NAME or fleet, or a list of them.",
        examples=["service/billing"],
    )
    kind: Literal["boost", "cap"] = Field(
        default="boost",
        description="boost: raise, within the limits; cap: let nothing go above the frequency.",
    )
    frequency: BaselineHz = Field(
        description="In Hz; of heap, in snapshots an hour. A boost never lowers a baseline; a cap "
        "at 0 stops profiling.",
        examples=[97],
    )
    duration: Duration = Field(
        description="How long each time, 1s–1d, counted from its beginning.", examples=["45m"]
    )
    jitter: Jitter = Field(
        default=0,
        description="Begin later by up to so long, 0s–1h: by how much depends on the name and the "
        "time, and is the same for all controllers. Default: 0s.",
        json_schema_extra={"default": "0s"},
        examples=["5m"],
    )
    profile: Profiles | None = Field(
        default=None,
        description="What is raised or capped: one kind of profile, or a list of them, which get a "
        "lease each. Default: cpu; of a cap at 0, every one.",
        examples=["wall", ["cpu", "wall"]],
    )
    where: Attributes = Field(
        default_factory=dict,
        description="Only agents with these attributes: one value, or one of a list.",
        examples=[{"deployment.environment.name": "production"}],
    )

    @field_validator("frequency")
    @classmethod
    def _boosts(cls, value: int, info: ValidationInfo) -> int:
        if value == 0 and info.data.get("kind") == "boost":
            raise ValueError("must be 1–1000 Hz of a boost, got 0; kind: cap stops profiling at 0")
        return value

    def schedule(self) -> Schedule:
        return Schedule(
            name=self.name,
            cron=self.cron,
            zone=self.timezone,
            kind=self.kind,
            targets=self.target,
            profiles=tuple(self.profile or ()),
            frequency_hz=self.frequency,
            duration_ms=self.duration,
            jitter_ms=self.jitter,
            where=where_of(self.where),
        )
