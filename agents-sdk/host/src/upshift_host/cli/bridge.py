"""`upshift-agent bridge opamp`, `… elastic` and `… check`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from upshift_rules.documents.schema import schema as json_schema

from ..bridges.reading import Which, load
from ..bridges.settings import BridgeDocument
from ..errors import StartRefused


def serve(config: Path | None, which: Which) -> None:
    """Run a bridge until it is told to end. Raise `StartRefused`."""
    load(config, which)  # what is wrong there is said before what is missing
    _needs_aiohttp()
    from ..bridges.serving import serve as run

    run(config, which)


def check(config: Path | None, *, schema: bool) -> str:
    """What to print. Raise `StartRefused` with every fault."""
    if schema:
        return json.dumps(json_schema(BridgeDocument), indent=2, ensure_ascii=False)
    found = load(config)
    document, said = found.document, []
    if document.opamp is not None:
        from ..bridges.opamp.configured import contents_of
        from ..bridges.opamp.contents import shown

        place = contents_of(found.folder, document.opamp).place
        said.append(f"opamp: collectors are told {shown(place)}, on {document.opamp.listen}")
    if document.elastic is not None:
        behind = document.elastic.server.url
        said.append(f"elastic: on {document.elastic.listen}, before {behind}")
    return "\n".join(said)


def _needs_aiohttp() -> None:
    if find_spec("aiohttp") is None:
        raise StartRefused("a bridge needs aiohttp: pip install 'upshift-host[bridges]'")
