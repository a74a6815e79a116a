"""The one file that a verb may be given: rules, or `upshift.yaml`. How it looks, how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .errors import Failed

if TYPE_CHECKING:
    from ..configuration import Configuration


def rules_file(says: str) -> Any:
    """Return the argument FILE of a verb, and what its help says of it."""
    return typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=says)


def read(file: Path | None) -> Configuration:
    """Return what a file says; None: what `upshift serve` would take here. Raise `Failed`."""
    from ..configuration import load
    from ..errors import StartRefused

    try:
        return load(file)
    except StartRefused as error:
        raise Failed(str(error)) from error
