"""What is asked of the kinds of drivers, and of the drivers that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from upshift_agent import Decision, Profile

from ..drivers.kinds import Kind
from ..fallback import Way
from ..said import describe
from ..workload import Workload


class Made(Protocol):
    """A driver of `upshift_agent`. It may have more, each of which serves any thread at once:

    `trouble() -> tuple[int, str] | None`: windows in a row that brought nothing, and why the last
    did not; None while all is well.
    `achieved() -> Mapping[Profile, float]`: Hz that it has counted since.
    `shared() -> str | None`: names the profiler, if others drive the same one.
    `says() -> str`: what else there is to say of how it runs, in one line.
    `processes(processes: tuple[Process, ...]) -> None`: those of its workload from now on. Without
    it the driver is closed and made anew.
    """

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None: ...
    def close(self) -> None: ...


def way_of(kind: Kind, workload: Workload) -> Way:
    """What this kind could do for a workload, here and now."""
    try:
        cannot = kind.why_not(workload)
    except Exception as error:  # noqa: BLE001  # it never should
        cannot = f"nobody knows whether it can: {describe(error)}"
    return Way(name=kind.name, method=kind.method, profiles=frozenset(kind.profiles), cannot=cannot)


def ask(driver: Any, question: str) -> Any:
    """What a driver's optional member says; None if it has none, or fails."""
    member = getattr(driver, question, None)
    try:
        return None if member is None else member()
    except Exception:  # noqa: BLE001  # only asked to know better
        return None
