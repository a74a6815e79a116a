"""What profiling will cost a node: rules and an assumed number of alerts → CPU, bandwidth, storage.

Pure. The model: a cost has a fixed part and a part for each Hz, so the mean frequency decides. A
boost adds to it for the share of the time that it covers: alerts come at random (Poisson), each
keeps the boost for `duration`, and those that overlap share one, as the rules' `boosts` has it. So
do rollouts. Schedules cover a share that is known; a cap of theirs holds down what else is raised.
Only cpu profiles are costed; what else is raised is `uncounted`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import Field

from upshift_agent.contract import ALL, CPU, ENVIRONMENT, PROFILES, Profile

from .documents.located import Section
from .leases.overrides import unnamed
from .model import Rule, RuleSet, Schedule

DAY_MS = 24 * 60 * 60 * 1000
#: The frequency at which the defaults were measured, in Hz.
_MEASURED_HZ = 19


@dataclass(frozen=True, slots=True)
class Target:
    """What a node must not be burdened with more than: a figure of `Forecast`, and its unit."""

    figure: str
    name: str
    most: float
    unit: str


TARGETS = (
    Target("cpu_percent", "CPU", 5, "%"),
    Target("memory_mb", "memory", 100, "MB"),
    Target("kb_per_s", "bandwidth", 200, "KB/s"),
)


class Share(Section):
    """A cost that grows with the frequency."""

    fixed: float = Field(default=0.0, ge=0, description="At any frequency above 0 Hz.")
    per_hz: float = Field(default=0.0, ge=0, description="Added for each Hz.")

    def at(self, hz: float, running: float = 1.0) -> float:
        """Return the cost at a mean of `hz`, with the profiler running for a share of the time."""
        return self.fixed * running + self.per_hz * hz


class Coefficients(Section):
    """What profiling costs a node. The defaults give ~2 %, ~50 MB, ~150 KB/s and ~10 GB a month
    at 19 Hz; `make bench COST=FILE` measures others."""

    cpu_percent: Share = Field(
        default=Share(per_hz=2 / _MEASURED_HZ), description="CPU, in % of one core."
    )
    memory_mb: Share = Field(default=Share(fixed=50), description="Resident memory, in MB.")
    kb_per_s: Share = Field(
        default=Share(per_hz=150 / _MEASURED_HZ), description="Profiles sent, in KB/s."
    )
    gb_per_month: Share = Field(
        default=Share(per_hz=10 / _MEASURED_HZ),
        description="Profiles stored in 30 days, in GB.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is assumed of alerts: how many concern the node in a day, all rules together, and how
    long each fires; and of rollouts: how many of what runs on the node there are in a day."""

    alerts_per_day: float
    firing_ms: int
    rollouts_per_day: float = 0.0


class Covering(NamedTuple):
    """For which share of the time, 0–1, something asks for a frequency of cpu, or as a cap lets
    nothing go above it. environments: of which agents; none for all."""

    hz: int
    share: float
    environments: tuple[str, ...] = ()
    cap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What profiling costs a node of one environment. `boosted`: share of time above baseline."""

    environment: str
    baseline_hz: int
    mean_hz: float
    highest_hz: int
    boosted: float
    cpu_percent: float
    memory_mb: float
    kb_per_s: float
    gb_per_month: float


#: Of a schedule, which share of the time one of its windows is open.
Open = Callable[[Schedule], float]


def forecasts(
    rules: RuleSet, load: Load, coefficients: Coefficients, open_for: Open = lambda _: 0.0
) -> list[Forecast]:
    """Return a forecast for the default baseline, and one for each environment with its own."""
    named = {"default": rules.baseline.default, **rules.baseline.environments}
    covered = [*coverages(rules, load), *scheduled(rules.schedules, open_for)]
    return [forecast(name, hz, covered, rules, coefficients) for name, hz in named.items()]


def coverages(rules: RuleSet, load: Load) -> Iterator[Covering]:
    """What each rule's boosts cover. Alerts are spread evenly over the entries, of which one for
    several profiles makes several rules; a rollout is of all entries for rollouts."""
    each = load.alerts_per_day / max(1, len({rule.name for rule in rules.rules}))
    for several, per_day in ((rules.rules, each), (rules.rollouts, load.rollouts_per_day)):
        for rule in several:
            if rule.profile == CPU:
                share = coverage(rule, per_day, load.firing_ms)
                yield Covering(rule.frequency_hz, rule.fraction * share)


def scheduled(schedules: Iterable[Schedule], open_for: Open) -> Iterator[Covering]:
    """What schedules cover. All are taken to be about the node, whatever their target."""
    for it in schedules:
        if {CPU, ALL}.isdisjoint(it.profiles or (unnamed(it.kind, it.frequency_hz),)):
            continue
        meant = it.where.get(ENVIRONMENT, ())
        environments = (meant,) if isinstance(meant, str) else meant
        yield Covering(it.frequency_hz, open_for(it), environments, it.kind == "cap")


def uncounted(rules: RuleSet) -> list[Profile]:
    """Return the profiles, raised or on at rest, that no forecast counts."""
    raised: set[str] = {rule.profile for rule in (*rules.rules, *rules.rollouts)}
    raised |= {it for schedule in rules.schedules for it in schedule.profiles}
    resting = rules.baseline.profiles
    return [it for it in PROFILES if it != CPU and (it in raised or resting.get(it))]


def coverage(rule: Rule, alerts_per_day: float, firing_ms: int) -> float:
    """The share of the time, 0–1, that a rule boosts an agent that it selects.

    Boosts and pauses take turns. Renewed by alerts at random, a boost lasts (e^(r·d) − 1) / r on
    average (the busy period of a queue with any number of servers), and `max_duration` at most;
    until the next alert it then takes the cooldown and 1 / r.
    """
    rate = alerts_per_day / DAY_MS
    if rate <= 0:
        return 0.0
    one_ms = rule.duration_ms
    if rule.while_firing:
        one_ms = max(one_ms, min(firing_ms, rule.max_duration_ms))
    if rule.on_resolved == "revert":
        one_ms = min(one_ms, firing_ms)
    boosted_ms = min(math.expm1(min(rate * one_ms, 700)) / rate, rule.max_duration_ms)
    return boosted_ms / (boosted_ms + rule.cooldown_ms + 1 / rate)


def forecast(
    environment: str,
    baseline_hz: int,
    covered: Sequence[Covering],
    rules: RuleSet,
    coefficients: Coefficients,
) -> Forecast:
    """Return the forecast of one environment.

    The highest boost counts, else the baseline, and no more than the lowest cap; each covers the
    time independently of the others.
    """
    mine = [
        it for it in covered if it.share > 0 and environment in (it.environments or (environment,))
    ]
    shares = {baseline_hz: 1.0}  # of the time, by Hz
    for it in (*(it for it in mine if not it.cap), *(it for it in mine if it.cap)):
        bound = min if it.cap else max
        asked_hz = it.hz if it.cap else min(it.hz, rules.max_frequency_hz)
        moved: defaultdict[int, float] = defaultdict(float)
        for hz, share in shares.items():
            moved[bound(hz, asked_hz)] += share * it.share
            moved[hz] += share * (1 - it.share)
        shares = {hz: share for hz, share in moved.items() if share > 0}
    return _costing(environment, baseline_hz, shares, coefficients)


def always(hz: int, coefficients: Coefficients) -> Forecast:
    """Return what the same node would cost at one frequency for good, to show what boosts save."""
    return _costing(f"always {hz} Hz", hz, {hz: 1.0}, coefficients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What profiling has taken of several nodes in a span of time, all together.

    cpu_core_s: seconds of one core. sent_mb: profiles sent. stored_gb: profiles kept.
    """

    cpu_core_s: float
    sent_mb: float
    stored_gb: float


def bill(hz_s: float, running_s: float, coefficients: Coefficients) -> Bill:
    """Return what nodes have cost by what they did: each one's Hz summed over its seconds, and the
    seconds that their profilers ran. The costs are linear, so how both are spread is no matter."""
    return Bill(
        cpu_core_s=coefficients.cpu_percent.at(hz_s, running_s) / 100,
        sent_mb=coefficients.kb_per_s.at(hz_s, running_s) / 1000,
        stored_gb=coefficients.gb_per_month.at(hz_s, running_s) * 1000 / (30 * DAY_MS),
    )


def missed(found: Forecast) -> list[Target]:
    """Return the targets that a forecast exceeds."""
    return [aim for aim in TARGETS if getattr(found, aim.figure) > aim.most]


def _costing(
    environment: str, baseline_hz: int, shares: Mapping[int, float], costs: Coefficients
) -> Forecast:
    """shares: of the time, by Hz."""
    mean_hz = sum(hz * share for hz, share in shares.items())
    highest_hz = max(shares)
    running = min(1.0, sum(share for hz, share in shares.items() if hz))
    return Forecast(
        environment=environment,
        baseline_hz=baseline_hz,
        mean_hz=mean_hz,
        highest_hz=highest_hz,
        boosted=sum(share for hz, share in shares.items() if hz > baseline_hz),
        cpu_percent=costs.cpu_percent.at(mean_hz, running),
        # Memory does not average out: what a boost takes has to be there.
        memory_mb=costs.memory_mb.at(highest_hz) if highest_hz else 0.0,
        kb_per_s=costs.kb_per_s.at(mean_hz, running),
        gb_per_month=costs.gb_per_month.at(mean_hz, running),
    )
