"""`agent.yaml`: what it may say, and how it is read. Nothing here looks at processes."""

from .model import AgentDocument, ParcaEntry, PyroscopeEntry, WorkloadEntry
from .reading import Configuration, load

__all__ = [
    "AgentDocument",
    "Configuration",
    "ParcaEntry",
    "PyroscopeEntry",
    "WorkloadEntry",
    "load",
]
