"""`limits:` of `upshift.yaml`: how much may be raised, also where nothing is set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from upshift_agent.contract import MAX_HZ
from upshift_rules.documents.fields import Hz
from upshift_rules.documents.located import Section, must_be
from upshift_rules.leases.limits import LEAST, MAX_NEW_TARGETS, Limits
from upshift_rules.model import DEFAULT_MAX_HZ, UNLESS_SET, default_frequency

Count = Annotated[int, Field(ge=1), must_be("a whole number from 1 up")]
UNLIMITED: Literal["unlimited"] = "unlimited"
CountOrUnlimited = Annotated[
    Annotated[int, Field(ge=1)] | Literal["unlimited"],
    must_be(f"a whole number from 1 up, or {UNLIMITED}"),
]


class LimitsEntry(Section):
    """How much all rules and overrides together may raise. A cap lowers, so nothing limits it."""

    max_frequency: Hz = Field(
        default=DEFAULT_MAX_HZ,
        description="No rule, boost or pin goes above this, in Hz, whatever sampling says.",
    )
    max_boosted_agents: CountOrUnlimited | None = Field(
        default=None,
        description="Agents of the whole fleet above their baseline at the same time, or "
        f"`{UNLIMITED}`. Default: a third of the live agents, and {LEAST} at least.",
    )
    max_boosts_per_hour: Count | None = Field(
        default=None, description="Boosts that each rule grants in any hour, fleet-wide."
    )
    max_new_targets: Count = Field(
        default=MAX_NEW_TARGETS,
        description="Targets without agents that the alerts of one token may make, at once and "
        "again in each hour; by each controller.",
    )

    def limits(self) -> Limits:
        most = self.max_boosted_agents
        return Limits(
            max_frequency_hz=self.max_frequency,
            max_boosted_agents=most if isinstance(most, int) else None,
            by_share=most is None,
            max_boosts_per_hour=self.max_boosts_per_hour,
            max_new_targets=self.max_new_targets,
        )

    def in_words(self) -> str:
        """The limits that everybody has, and which of them nobody has set."""
        hz, most = self.max_frequency, self.max_boosted_agents
        agents = most or f"a third of the live agents, at least {LEAST}"
        default = "," + UNLESS_SET if most is None else ""
        return (
            f"limits: max_frequency {hz} Hz{default_frequency(hz)}, "
            f"max_boosted_agents {agents}{default}"
        )

    def lifted(self) -> Iterable[tuple[str, str]]:
        """Those that bind less than by default: the field, and what it means."""
        if self.max_frequency > DEFAULT_MAX_HZ:
            yield (
                "max_frequency",
                f"max_frequency lifts the default of {DEFAULT_MAX_HZ} Hz: at {self.max_frequency} "
                "Hz, a profiler may slow down what it profiles",
            )
        if self.max_boosted_agents == UNLIMITED:
            yield (
                "max_boosted_agents",
                "max_boosted_agents lifts the default, a third of the live agents: a storm of "
                "alerts may raise the whole fleet at once",
            )


#: The same where no `upshift.yaml` counts.
NO_LIMITS = LimitsEntry(max_frequency=MAX_HZ, max_boosted_agents=UNLIMITED)
