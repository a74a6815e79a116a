"""How a verb fails: the message is for people and says what would be right; no traceback."""

from __future__ import annotations

import typer


class Failed(typer.TyperException):
    """The controller refused, or what was asked for did not come about."""

    exit_code = 1


class Unreachable(Failed):
    """No controller answers there."""

    exit_code = 3
