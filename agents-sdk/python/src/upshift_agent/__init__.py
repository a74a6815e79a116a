"""Upshift's agent SDK: a process that follows plans and drives one profiler.

    import upshift_agent

    def switch(decision):                      # any callable is a driver
        my_profiler.set_frequency(decision.hz)

    agent = upshift_agent.Agent(
        redis_url="redis://127.0.0.1:6379", service="checkout", driver=switch
    )
    agent.start()                              # returns at once; never raises later

Importing this loads neither redis nor asyncio: both wait for the agent's own thread.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost more than the rest of this package
if TYPE_CHECKING:
    from typing import Any

    from .agent import Agent
    from .contract.errors import ConfigurationError, UpshiftError
    from .contract.profiles import Profile
    from .contract.resolve import Decision
    from .drivers.driver import Driver

__all__ = [
    "Agent",
    "ConfigurationError",
    "Decision",
    "Driver",
    "Profile",
    "UpshiftError",
    "__version__",
]
__version__ = "0.1.0"

_HOMES = {
    "Agent": "agent",
    "ConfigurationError": "contract.errors",
    "Decision": "contract.resolve",
    "Driver": "drivers.driver",
    "Profile": "contract.profiles",
    "UpshiftError": "contract.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
