"""PromQL in documents: the guards of rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from ..guards.query import LIKE, MAX_QUERY, Query, parse_query
from ..text import show


def _query(value: object) -> Query:
    if not isinstance(value, str):
        raise ValueError(f"must be PromQL such as up{LIKE}, got {show(value)}")
    return parse_query(value)


PromQL = Annotated[
    Query,
    PlainValidator(_query),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_QUERY}),
]
