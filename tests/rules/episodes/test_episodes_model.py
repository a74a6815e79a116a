"""Whatever happens, in whatever order it is heard: what holds of boosts, against a model of it.

The model knows what is true of each alert (when it began, whether it fires) and what of it was
delivered: late, twice, with a `startsAt` of the other Prometheus, or never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.world import MINUTE, World, a_rule, alert
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import limited
from upshift_rules.model import Outcome, Rule, Trigger

ALERTS = range(4)
SERVED = ("granted", "renewed", "joined", "at_max_duration")

#: What may happen to an alert; "ends unheard": its notice is lost.
NOTICES = ("fires", "fires", "fires", "moves", "ends", "ends", "ends unheard", "is late")


def a_script(random: Random) -> Iterator[Any]:
    """Hypothesis's own lists are too short for what goes wrong late."""
    for _ in range(random.randint(5, 60)):
        kind = random.random()
        if kind < 0.65:
            count = random.choice([1, 1, 2, 3, 5])
            yield [
                (random.choice(NOTICES), random.choice(ALERTS), random.getrandbits(15))
                for _ in range(count)
            ]
        elif kind < 0.9:
            yield random.randint(1, random.choice([1, 3, 20]) * MINUTE)
        else:
            yield random.choice(["released", "looks", "looks", a_rule(random)])


@dataclass
class Model:
    """`episode` counts those of an alert; an even one is over."""

    world: World
    longest_ms: int
    episode: Counter[int] = field(default_factory=Counter)
    began_ms: dict[int, int] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)  # the episode known to have been served
    delivered: list[tuple[int, int, Trigger]] = field(default_factory=list)
    boosts: Counter[tuple[int, int]] = field(default_factory=Counter)
    released: set[tuple[int, int]] = field(default_factory=set)

    def notice(self, what: str, which: int, number: int) -> tuple[int, int, Trigger] | None:
        """(alert, episode, what is delivered); None for nothing."""
        now_ms, fires = self.world.now_ms, self.episode[which] % 2 == 1
        if what == "is late":
            return self.delivered[number % len(self.delivered)] if self.delivered else None
        if what == "fires" and not fires:
            self.episode[which] += 1
            self.began_ms[which] = now_ms
        elif not fires:
            return None
        told = alert(f"{which:016x}", started_ms=self.began_ms[which])
        episode = self.episode[which]
        if what == "moves":
            # The other Prometheus saw it first, but not before the episode before was over.
            told = told._replace(starts_at_ms=told.starts_at_ms - number % 1000)
        if what.startswith("ends"):
            self.episode[which] += 1
            told = told._replace(status="resolved", ends_at_ms=now_ms)
            if what == "ends unheard":
                return None
        self.delivered.append((which, episode, told))
        return which, episode, told

    def step(self, script: list[tuple[str, int, int]]) -> None:
        found = []
        for it in script:
            if row := self.notice(*it):
                found.append(row)
            self.world.passes(2000)  # so that two episodes of one alert are apart
        if not found:
            return
        before, entries = self.world.state, len(self.world.history)
        self.in_any_order(before, [it for *_, it in found])
        firing = set(self.heard.items())
        outcomes = self.world.tells(*(it for *_, it in found))
        taken = zip(found, outcomes, strict=True)
        # What fires comes first, wherever it stands: a late notice speaks of the newest episode.
        for (which, episode, told), outcome in sorted(taken, key=lambda it: it[0][2].status):
            self.take(which, episode, told, outcome)
        if any(it.event == "reverted" for it in self.world.history[entries:]):
            ended = {(which, episode) for which, episode, it in found if it.status == "resolved"}
            left = {
                (which, episode)
                for which, episode in firing - ended - self.released
                if self.heard.get(which) == episode == self.episode[which]
            }
            assert not left, "a boost is not reverted while another of its alerts fires"

    def take(self, which: int, episode: int, told: Trigger, outcome: Outcome) -> None:
        if told.status == "resolved":
            if self.heard.get(which) == episode:
                del self.heard[which]
            return
        episode = max(episode, self.heard.get(which, 0))  # late, and it fires again
        if outcome.outcome == "granted":
            self.boosts[which, episode] += 1
            assert (which, episode) not in self.released, "an operator ended it"
        if outcome.outcome in SERVED:
            self.heard[which] = episode

    def release(self) -> None:
        if self.world.boosts:
            self.released |= set(self.heard.items())
        self.world.released()

    def in_any_order(self, before: TargetState, told: list[Trigger]) -> None:
        claims = [self.world._claim(it, {}) for it in told]

        def seen(order: list[Any]) -> Any:
            step = limited(before, order, self.world.now_ms, lambda _: None)
            state = (step.state.leases, step.state.cases, Counter(map(repr, step.outcomes)))
            return *state, Counter(map(repr, step.entries))

        assert seen(claims) == seen(claims[::-1]) == seen(claims[1:] + claims[:1])

    def check(self) -> None:
        world = self.world
        assert len(world.boosts) <= 1
        for boost in world.boosts:
            (case,) = world.state.cases.values()
            assert boost.expires_at_ms <= case.started_ms + self.longest_ms
            assert case.started_ms <= boost.since_ms
        assert sum(len(it.episodes) for it in world.state.cases.values()) <= len(ALERTS)
        assert len(world.state.cases) <= 1


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_what_holds_of_boosts_whatever_is_heard_of_alerts(seed: int) -> None:
    random = Random(seed)
    rule, script = a_rule(random), a_script(random)
    model = Model(World(rule=rule), rule.max_duration_ms)
    ever_while_firing = rule.while_firing
    for step in script:
        match step:
            case int():
                model.world.passes(step)
            case "released":
                model.release()
            case "looks":
                model.world.looks()
            case Rule():  # a reload
                model.world.rule = step
                model.longest_ms = max(model.longest_ms, step.max_duration_ms)
                ever_while_firing |= step.while_firing
            case _:
                model.step(step)
        model.check()
    if not ever_while_firing:
        assert max(model.boosts.values(), default=0) <= 1, "one boost for an episode"
    model.world.passes(model.longest_ms)
    model.world.looks()
    assert model.world.state.leases == ()
    begun = sum(it.event == "granted" for it in model.world.history)
    ended = sum(it.event in ("expired", "reverted", "released") for it in model.world.history)
    assert begun == ended
