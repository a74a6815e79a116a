"""Drivers by name: what distributions register in the entry point group `upshift.drivers`.

An entry point names a factory, which is called without arguments, reads what it needs from the
environment, and returns a driver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..contract import shorten
from ..contract.errors import ConfigurationError
from ..runtime.log import describe

GROUP = "upshift.drivers"

Made = TypeVar("Made")


def make(name: str, adapt: Callable[[object], Made]) -> Made:
    """The driver that is registered as `name`, adapted. Raise `ConfigurationError`."""
    from importlib.metadata import entry_points  # slow, and needed for a name only

    try:
        installed = entry_points(group=GROUP)
    except Exception as error:  # metadata that somebody broke
        raise ConfigurationError(f"drivers cannot be listed: {describe(error)}") from error
    named = {entry.value: entry for entry in installed if entry.name == name}
    if not named:
        names = ", ".join(sorted(installed.names)) or "none"
        raise ConfigurationError(f"no driver is installed as {shorten(name)}; there are: {names}")
    if len(named) > 1:
        raise ConfigurationError(
            f"several drivers are installed as {name}: {', '.join(sorted(named))}"
        )
    ((value, entry),) = named.items()
    try:
        return adapt(entry.load()())
    except Exception as error:  # whatever somebody else's code raises
        raise ConfigurationError(
            f"driver {name} ({value}) cannot be used: {describe(error)}"
        ) from error
