"""A workload's attributes as labels, under which a backend keeps its profiles. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: Backends refuse a series with more (Pyroscope: 30, some of them its own).
MAX_LABELS = 24
MAX_VALUE = 1_000  # characters

#: What people look for first; where there are too many, these stay.
FIRST = ("service.", "deployment.", "k8s.", "host.", "container.")

_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def labels(attributes: Mapping[str, str]) -> dict[str, str]:
    """Labels by name: dots as underscores, values on one line; empty ones are left out."""
    found: dict[str, str] = {}
    for attribute in sorted(attributes, key=_rank):
        name, value = label_name(attribute), _value(attributes[attribute])
        if value and len(found) < MAX_LABELS:
            found.setdefault(name, value)
    return found


def label_name(attribute: str) -> str:
    """A label's name for any text. Two underscores at the front are the backends' own."""
    name = _NO_NAME.sub("_", attribute).lstrip("_")
    return name if name and not name[0].isdigit() else f"attribute_{name}"


def _rank(attribute: str) -> tuple[int, str]:
    places = (place for place, first in enumerate(FIRST) if attribute.startswith(first))
    return next(places, len(FIRST)), attribute


def _value(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()[:MAX_VALUE]
