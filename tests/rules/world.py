"""A target on virtual time: what a test tells it, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from upshift_agent.contract import Cause, Kind, Lease, Where
from upshift_rules.leases.agents import Agent
from upshift_rules.leases.changes import Change, Entry, Override, Release
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.stored import decode_state, encode_state
from upshift_rules.leases.transition import limited, revised
from upshift_rules.model import Claim, Outcome, Refusal, Rule, Trigger

START_MS = 1_795_395_815_000
MINUTE = 60_000

HIGH_CPU = Rule(
    name="high_cpu",
    trigger="high_cpu",
    frequency_hz=100,
    duration_ms=10 * MINUTE,
    max_duration_ms=40 * MINUTE,
)


def alert(fingerprint: str = "4bd675a02c6e66f0", *, started_ms: int = START_MS - 1000) -> Trigger:
    return Trigger(
        status="firing",
        labels={"alertname": "HighCPU", "service_name": "checkout"},
        identity=fingerprint,
        starts_at_ms=started_ms,
    )


def a_rule(random: Random) -> Rule:
    """Any rule."""
    return replace(
        HIGH_CPU,
        frequency_hz=random.choice([49, 100]),
        duration_ms=random.choice([2, 10, 10]) * MINUTE,
        max_duration_ms=random.choice([10, 40]) * MINUTE,
        on_resolved=random.choice(["keep", "revert", "revert"]),
        while_firing=random.random() < 0.3,
        cooldown_ms=random.choice([0, 0, 1, 60]) * MINUTE,
    )


def override(kind: Kind, hz: int, profile: str | None = None, name: str = "1") -> Override:
    """What ann asks for, for an hour."""
    return Override(
        id=f"{kind}/{name}",
        kind=kind,
        hz=hz,
        duration_ms=60 * MINUTE,
        where={},
        cause=Cause.of_operator("ann"),
        profile=profile,
    )


@dataclass
class World:
    """One target. Its state goes through its stored form at each step, as in Redis."""

    rule: Rule = HIGH_CPU
    where: Where = field(default_factory=dict)
    now_ms: int = START_MS
    state: TargetState = field(default_factory=lambda: TargetState(target="service/checkout"))
    history: list[Entry] = field(default_factory=list)
    commits: int = 0
    refusal: Refusal | None = None  # what the limits say to every new lease
    soft: tuple[str, ...] = ()  # what of `where` came from the scope
    agents: list[Mapping[str, str]] | None = None  # that live
    able: tuple[str, ...] = ("cpu",)  # what each of them can raise

    def passes(self, ms: int) -> None:
        self.now_ms += ms

    def fires(self, fired: Trigger | None = None, **rule: object) -> Outcome:
        return self.told(self._claim(fired or alert(), rule))

    def resolves(self, fired: Trigger | None = None, **rule: object) -> Outcome:
        return self.told(self._claim((fired or alert())._replace(status="resolved"), rule))

    def released(self, lease: str | None = None) -> Outcome:
        return self.told(Release(lease=lease, cause=Cause.of_operator("ann")))

    def looks(self) -> None:
        """What a due lease does: nothing is asked, time has passed."""
        self._apply([])

    def tells(self, *told: Trigger, **rule: object) -> tuple[Outcome, ...]:
        """All of one notification."""
        return self._apply([self._claim(it, rule) for it in told])

    def told(self, change: Change) -> Outcome:
        (outcome,) = self._apply([change])
        return outcome

    @property
    def boosts(self) -> list[Lease]:
        return [it for it in self.state.leases if it.expires_at_ms > self.now_ms]

    @property
    def runs_for_ms(self) -> int:
        (boost,) = self.boosts
        return boost.expires_at_ms - self.now_ms

    def _claim(self, told: Trigger, rule: dict[str, object]) -> Claim:
        changed = replace(self.rule, **rule)  # type: ignore[arg-type]
        return Claim(changed, told, self.state.target, self.where, self.soft)

    def _apply(self, changes: list[Change]) -> tuple[Outcome, ...]:
        agents = None if self.agents is None else [Agent(it, self.able) for it in self.agents]
        step = limited(self.state, changes, self.now_ms, lambda _: self.refusal, agents)
        if step.state is not self.state or step.entries:
            after = revised(self.state, step.state, self.now_ms * 1000)
            self.state = decode_state(after.target, encode_state(after).encode())
            assert self.state == after
            self.commits += 1
        self.history += step.entries
        return step.outcomes
