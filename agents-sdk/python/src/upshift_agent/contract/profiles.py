"""What a lease raises: kinds of profile, the unit of each one's frequency, and where it rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .reading import mapping, whole

#: `cpu`: what runs; `wall`: what waits as well; `alloc`: what is allocated; `lock`: what waits for
#: a lock, all in samples a second, Hz. `heap`: what is in use, in snapshots an hour. 0 is off.
Profile = Literal["cpu", "wall", "alloc", "lock", "heap"]
PROFILES: tuple[Profile, ...] = ("cpu", "wall", "alloc", "lock", "heap")
#: What a lease is for that names none.
CPU: Profile = "cpu"
#: What a cap may be for besides: every profile at once.
ALL = "all"


def shown(profile: str, hz: float) -> str:
    """A frequency in words: `100 Hz`, `4 an hour`."""
    return f"{hz:g} an hour" if profile == "heap" else f"{hz:g} Hz"


def shown_all(hz: Mapping[Profile, float]) -> str:
    """Several in words, `wall 100 Hz, heap 4 an hour`; cpu's alone without its name."""
    if hz.keys() == {CPU}:
        return shown(CPU, hz[CPU])
    return ", ".join(f"{profile} {shown(profile, each)}" for profile, each in hz.items())


@dataclass(frozen=True, slots=True)
class Baseline:
    """Hz where no lease applies: of cpu by environment, else the default; of others as `profiles`
    says (of `heap` snapshots an hour), else 0."""

    default: int
    environments: Mapping[str, int] = field(default_factory=dict)
    profiles: Mapping[str, int] = field(default_factory=dict)

    def of(self, environment: str, profile: str = CPU) -> tuple[int, str]:
        """Return the frequency of an agent's profile, and what it is called after."""
        if profile != CPU:
            return self.profiles.get(profile, 0), profile if profile in self.profiles else "off"
        if environment in self.environments:
            return self.environments[environment], environment
        return self.default, "default"

    def to_json(self) -> dict[str, Any]:
        return {
            "default": self.default,
            "environments": dict(self.environments),
            **({"profiles": dict(self.profiles)} if self.profiles else {}),
        }

    @classmethod
    def from_json(cls, document: object) -> Baseline:
        baseline = mapping(document, "baseline")
        environments = mapping(baseline.get("environments", {}), "baseline.environments")
        profiles = mapping(baseline.get("profiles", {}), "baseline.profiles")
        return cls(
            whole(baseline, "default", "baseline"),
            {name: whole(environments, name, "baseline.environments") for name in environments},
            {name: whole(profiles, name, "baseline.profiles") for name in profiles},
        )
