"""Statuses read as quickly as their schema can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from upshift_agent.contract import MAX_MESSAGE_BYTES, Status
from upshift_agent.contract.reading import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message(Status):
    v: Annotated[int, Field(ge=VERSION, le=VERSION)]


def _in_range(schema: Any) -> Any:
    """The schema with every number held to what the contract allows. So the fields stand once, in
    the contract's `Status`."""
    if isinstance(schema, list):
        return [_in_range(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") in ("int", "float"):
        return {"ge": 0, "lt": 2**63} | schema
    return {key: _in_range(value) for key, value in schema.items()}


_QUICK = SchemaValidator(_in_range(TypeAdapter(_Message).core_schema))


def read_quickly(stored: bytes) -> Status | None:
    """Return what `decode_status` would, in a third of its time; None: call `decode_status`.

    8 µs in place of 22. `GET /api/v1/targets` reads 10,000 in 156 ms (`make bench ROW=status`), and
    would take twice as long without.
    That one has words for what is wrong, and takes some spellings that are not taken here.
    """
    if len(stored) > MAX_MESSAGE_BYTES:
        return None
    try:
        status: Status = _QUICK.validate_json(stored, strict=True)
    except ValidationError:
        return None
    return status
