"""Which workloads matter at all: `select:` on attributes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshift_rules.documents.fields import Matchers


def is_selected(select: Matchers | None, attributes: Mapping[str, str]) -> bool:
    """Whether all of the matchers fit. An attribute that is not there counts as an empty one.

    Alertmanager's syntax takes no dots without quotes, so `service_name` is `service.name` too.
    """
    if select is None:
        return True
    by_label = {name.replace(".", "_"): value for name, value in attributes.items()}
    by_label.update(attributes)
    return all(matcher.matches(by_label.get(matcher.label, "")) for matcher in chain(*select))
