"""`upshift-agent check`."""

from __future__ import annotations

import json
from pathlib import Path

from upshift_rules.documents.schema import schema as json_schema

from ..config import AgentDocument, load


def check(config: Path | None, *, schema: bool) -> str:
    """What to print. Raise `StartRefused` with every fault."""
    if schema:
        return json.dumps(json_schema(AgentDocument), indent=2, ensure_ascii=False)
    found = load(config)
    methods = sorted(found.document.fallback_strategy, key=lambda it: it.priority)
    return (
        f"node {found.node}: {len(found.document.workloads)} workloads are named; "
        f"methods: {', '.join(it.method for it in methods)}; profiles go to {found.backend.url}"
    )
