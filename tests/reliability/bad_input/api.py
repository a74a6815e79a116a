"""Requests that schemathesis makes from our own OpenAPI document, right and wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..table import Row, Size
from .examples import tried
from .victim import victim


def row(folder: Path, size: Size) -> Row:
    import schemathesis

    with victim(folder) as controller:
        schema = schemathesis.openapi.from_url(f"{controller.url}/api/v1/openapi.json")
        modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
        for result in schema.get_all_operations():
            operation = result.ok()
            if operation.path.endswith("/events"):
                continue  # it never ends, and takes no input
            for mode in modes:
                strategy = operation.as_strategy(generation_mode=mode)

                def use(case: Any, name: str = operation.label) -> None:
                    controller.try_(name, lambda: case.call(timeout=20))

                try:
                    tried(strategy, size.of(150, 5), use)
                except Exception as error:  # nothing can be wrong about some
                    if "Unsatisfiable" not in type(error).__name__:
                        raise
        return controller.row("bad input: API (schemathesis)")
