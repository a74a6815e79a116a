"""The rows of `make bench`: a file each, found by being in here; `ROW=` takes the file's name.

A file has `ROWS`, and at most 60 lines. What several of them need stands in `parts/`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

from ..measuring.row import Row


def rows() -> dict[str, list[Row]]:
    """What each file has, by its name, in the order of the alphabet."""
    found = [it.name for it in walk_packages(__path__, f"{__name__}.") if not it.ispkg]
    return {_key(name): import_module(name).ROWS for name in sorted(found, key=_key)}


def _key(module: str) -> str:
    return module.rpartition(".")[2].rstrip("_").replace("_", "-")
