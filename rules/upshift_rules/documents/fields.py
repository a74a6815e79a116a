"""The kinds of values that documents hold, with their bounds and what to say of wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from upshift_agent.contract import (
    CPU,
    MAX_HZ,
    MAX_LEASE_BYTES,
    MAX_LEASE_MS,
    PROFILES,
    Profile,
    Where,
    canonical,
    is_plain,
)

from ..durations import DURATION_PATTERN, format_duration, parse_duration
from ..matchers import parse_matchers
from ..model import Matcher
from ..quick_json import dump
from ..text import normalised, show
from .located import must_be

#: Shorter than this an agent would spend its time switching.
MIN_DURATION_MS = 1000
MAX_COOLDOWN_MS = 7 * 24 * 60 * 60 * 1000
MAX_JITTER_MS = 60 * 60 * 1000
MAX_TRIAL_MS = 31 * 24 * 60 * 60 * 1000
#: What goes into plans: characters of a text, and baselines, of which the fleet's plan has each.
MAX_TEXT = 256
MAX_ENVIRONMENTS = 256
#: Of a rule's `where:`, as JSON; half of what a lease may take (`MAX_LEASE_BYTES`).
MAX_WHERE_BYTES = MAX_LEASE_BYTES // 2


def _whole(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f"must be a whole number of Hz, got {value}")
    return value


Hz = Annotated[int, Field(ge=1, le=MAX_HZ), must_be(f"1–{MAX_HZ} Hz"), BeforeValidator(_whole)]
#: 0 Hz means that the profiler stands still until a rule or an override says otherwise.
BaselineHz = Annotated[
    int, Field(ge=0, le=MAX_HZ), must_be(f"0–{MAX_HZ} Hz"), BeforeValidator(_whole)
]
#: In the unit of a profile that its key names.
RestingHz = Annotated[int, Field(ge=0, le=MAX_HZ), must_be(f"0–{MAX_HZ}"), BeforeValidator(_whole)]
Fraction = Annotated[float, Field(gt=0, le=1), must_be("above 0 and at most 1")]
Priority = Annotated[int, Field(ge=1, le=100), must_be("1–100")]


def _between(least_ms: int, most_ms: int) -> PlainValidator:
    """Read text such as `10m`, within bounds, as milliseconds."""

    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError(f"needs a unit, such as {value}s or {value}m, got {value}")
        if not isinstance(value, str):
            raise ValueError(f"must be a duration such as 90s, 10m or 1h30m, got {show(value)}")
        ms = parse_duration(value)
        if not least_ms <= ms <= most_ms:
            bounds = f"{format_duration(least_ms)}–{format_duration(most_ms)}"
            raise ValueError(f"must be {bounds}, got {show(value)}")
        return ms

    return PlainValidator(read)


_DURATION = WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
#: Durations in milliseconds.
Duration = Annotated[int, _between(MIN_DURATION_MS, MAX_LEASE_MS), _DURATION]
Cooldown = Annotated[int, _between(0, MAX_COOLDOWN_MS), _DURATION]
Jitter = Annotated[int, _between(0, MAX_JITTER_MS), _DURATION]
#: Of a trial, from its beginning.
Moment = Annotated[int, _between(0, MAX_TRIAL_MS), _DURATION]


def _unquoted(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError(f"must be text, got {show(value)}; put it in quotes")
    return value


def _plain(value: str) -> str:
    if not is_plain(value):
        raise ValueError(f"must be one line without control characters, got {show(value)}")
    return value


def _name(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"must be printable and without spaces around it, got {show(value)}")
    return value


def _trigger(value: str) -> str:
    if not normalised(value):
        raise ValueError(f"needs more than - and _, got {show(value)}")
    return value


#: Such as a URL or the path of a file.
Line = Annotated[str, AfterValidator(_plain)]
Text = Annotated[
    Line,
    Field(min_length=1, max_length=MAX_TEXT),
    must_be(f"1–{MAX_TEXT} characters of text"),
    BeforeValidator(_unquoted),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=100),
    must_be("1–100 characters of text"),
    BeforeValidator(_unquoted),
    AfterValidator(_name),
]
Trigger = Annotated[Name, AfterValidator(_trigger)]
LabelNames = Annotated[
    list[Text], Field(min_length=1), must_be("a list of label names, such as [service_name, job]")
]
TextOrTexts = Annotated[
    Text | Annotated[list[Text], Field(min_length=1)],
    must_be(f"text of 1–{MAX_TEXT} characters, or a list of such"),
    BeforeValidator(_unquoted),
]


def _fits_a_lease(value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
    if (size := len(dump(value).encode())) > MAX_WHERE_BYTES:
        raise ValueError(f"must take at most {MAX_WHERE_BYTES} bytes as JSON, takes {size}")
    return value


#: Attribute → the one value that it must have, or those that it may have.
Attributes = Annotated[dict[Text, TextOrTexts], AfterValidator(_fits_a_lease)]


def _matchers(value: object) -> tuple[Matcher, ...]:
    if not isinstance(value, str):
        raise ValueError(f'must be text such as severity="page", got {show(value)}')
    return parse_matchers(value)


Matchers = Annotated[
    list[
        Annotated[
            tuple[Matcher, ...], PlainValidator(_matchers), WithJsonSchema({"type": "string"})
        ]
    ],
    Field(min_length=1),
]


def _one_or_several(value: object, read: Any) -> list[Profile]:
    if not isinstance(value, list):
        (one,) = _known(value, read)
        return [one]
    several: list[Profile] = read(value)
    twice = next((it for at, it in enumerate(several) if it in several[:at]), None)
    if twice is not None:
        raise ValueError(f"must name each once, got {show(twice)} twice")
    return several


def _known(value: object, read: Any) -> list[Profile]:
    """Read one that stands alone, which those who see what is wrong never wrote as a list."""
    try:
        found: list[Profile] = read([value])
    except ValidationError as error:
        raise ValueError(f"must be {_KINDS}, or a list of them, got {show(value)}") from error
    return found


_QUOTED = [f'"{profile}"' for profile in PROFILES]
_KINDS = f"{', '.join(_QUOTED[:-1])} or {_QUOTED[-1]}"
_ONE = {"enum": list(PROFILES)}
_SEVERAL = {"type": "array", "items": _ONE, "minItems": 1, "uniqueItems": True}
#: One or a list of them.
Profiles = Annotated[
    list[Annotated[Profile, must_be(_KINDS)]],
    Field(min_length=1),
    WrapValidator(_one_or_several),
    WithJsonSchema({"anyOf": [_ONE, _SEVERAL]}),
]


def _not_cpu(value: object) -> object:
    if value == CPU:
        raise PydanticCustomError("cpu", "must not be cpu: its baseline is sampling.default")
    return value


OtherProfile = Annotated[
    Literal["wall", "alloc", "lock", "heap"],
    must_be(_KINDS.removeprefix('"cpu", ')),
    BeforeValidator(_not_cpu),
]

#: What entries of several kinds say alike, with its reference.
Frequency = Annotated[
    Hz,
    Field(
        description="Sampling frequency while the boost lasts, in Hz; of heap, in snapshots an "
        "hour. It never lowers a baseline.",
        examples=[99],
    ),
]
Raised = Annotated[
    Profiles,
    Field(
        description="What is raised: one kind of profile, or a list of them, which get a boost "
        "each. Default: cpu.",
        json_schema_extra={"default": CPU},
        examples=["wall", ["cpu", "wall"]],
    ),
]
Pause = Annotated[Cooldown, Field(json_schema_extra={"default": "0s"}, examples=["30m"])]
Part = Annotated[Fraction, Field(examples=[0.1])]


def where_of(value: Mapping[str, str | list[str]]) -> Where:
    """Return the filter of `Attributes`."""
    return canonical({k: v if isinstance(v, str) else tuple(v) for k, v in value.items()})
