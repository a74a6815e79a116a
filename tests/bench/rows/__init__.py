"""The rows of `make bench`: a file each, found by being here; `ROW=` takes the file's name.

A file has `ROWS`, and at most 60 lines. What several of them need stands one folder up.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..row import Row


def rows() -> dict[str, list[Row]]:
    """What each file has, by its name, in the order of the alphabet."""
    found = sorted(it.name for it in iter_modules(__path__))
    return {_key(name): import_module(f"{__name__}.{name}").ROWS for name in found}


def _key(module: str) -> str:
    return module.rstrip("_").replace("_", "-")
