"""Which code asks which backend."""

from __future__ import annotations

from . import Backend, Profiles
from .parca import Parca
from .pyroscope import Pyroscope


def profiles_of(backend: Backend) -> Profiles:
    return Parca(backend) if backend.kind == "parca" else Pyroscope(backend)
