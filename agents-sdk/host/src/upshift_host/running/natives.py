"""Which JVMs async-profiler may be loaded into: those of whoever has written `async_profiler:`."""

from __future__ import annotations

from ..config import Configuration
from ..drivers.async_profiler.profiling import NAME, PROFILES, AsyncProfilerDriver, why_not
from ..drivers.kinds import Kind


def natives(configuration: Configuration) -> dict[str, Kind]:
    """It as a kind of driver; nothing where `async_profiler:` is not there."""
    entry = configuration.document.async_profiler
    if entry is None:
        return {}
    library = None if entry.library is None else configuration.folder / entry.library
    kind = Kind(
        name=NAME,
        method="push",
        profiles=PROFILES,
        languages=frozenset({"java"}),
        why_not=lambda workload: why_not(library, workload),
        make=lambda workload, exporter: AsyncProfilerDriver(
            library, workload, exporter, timer=entry.timer
        ),
    )
    return {NAME: kind}
