"""Whatever is lost between Prometheus, two Alertmanagers and a controller: what holds of boosts.

The model knows what is true: which alerts fire, what each Alertmanager remembers of them, who can
reach whom. The controller gets some webhooks, and lists each half minute.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.world import HIGH_CPU, MINUTE, START_MS, World, a_rule, alert
from upshift_agent.contract import Baseline
from upshift_controller.sources.alertmanager.level import Level, View
from upshift_rules.model import RuleSet, Trigger

LOOK_MS = 30_000
WAIT_MS = 5 * MINUTE
NAMES = ("a", "b", "c")
RULES = RuleSet(baseline=Baseline(default=19))
REVERT = replace(HIGH_CPU, on_resolved="revert", duration_ms=20 * MINUTE)


@dataclass
class Server:
    """An Alertmanager. It forgets all but silences when it restarts."""

    up_since_ms: int = START_MS - 10**9
    alerts: dict[str, int] = field(default_factory=dict)  # when each began
    readable: bool = True
    fed: bool = True  # Prometheus reaches it


@dataclass
class Incident:
    """Prometheus, its Alertmanagers, and a controller; each alert is about a service of its own."""

    random: Random
    servers: list[Server]
    now_ms: int = START_MS
    firing: dict[str, int] = field(default_factory=dict)
    silenced: set[str] = field(default_factory=set)
    worlds: dict[str, World] = field(default_factory=dict)
    level: Level = field(default_factory=lambda: Level(WAIT_MS, LOOK_MS))
    #: When each began last; which episodes were in a list that was read.
    began_ms: dict[str, int] = field(default_factory=dict)
    seen: set[tuple[str, int | None]] = field(default_factory=set)
    #: Until when the first boost of each episode would run.
    until_ms: dict[tuple[str, int], int] = field(default_factory=dict)
    #: When each was lost to all servers; while Prometheus reaches one, only for a minute.
    unlisted_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.worlds = {name: World(REVERT) for name in NAMES}

    def does(self, what: str, name: str, server: Server) -> None:
        self.now_ms += 2000  # so that two episodes of one alert are apart
        match what:
            case "fires" if name not in self.firing:
                self.firing[name] = self.began_ms[name] = self.now_ms
                self.feed(name)
                self.notify(name)
            case "resolves" if name in self.firing:
                start_ms = self.firing.pop(name)
                for it in self.servers:
                    if it.fed:
                        it.alerts.pop(name, None)
                if name not in self.silenced and self.random.random() < 0.5:
                    self.tell(
                        alert(name, started_ms=start_ms)._replace(
                            status="resolved", ends_at_ms=self.now_ms
                        )
                    )
            case "repeats" if name in self.firing:
                self.notify(name)
            case "silence":
                self.silenced ^= {name}
            case "restarts":
                server.up_since_ms, server.alerts = self.now_ms, {}
            case "hides":
                server.readable = not server.readable
            case "is cut off":
                server.fed = not server.fed

    def feed(self, name: str) -> None:
        for it in self.servers:
            if it.fed:
                it.alerts[name] = self.firing[name]

    def notify(self, name: str) -> None:
        for it in self.servers:
            if name in it.alerts and name not in self.silenced and self.random.random() < 0.4:
                self.tell(alert(name, started_ms=it.alerts[name]))

    def tell(self, told: Trigger) -> None:
        self.receive(told)
        self.level.told(RULES, [told], self.now_ms)

    def receive(self, told: Trigger) -> None:
        world, name = self.worlds[told.identity], told.identity
        world.now_ms = self.now_ms
        entries = len(world.history)
        (outcome,) = world.tells(told)
        if told.via == "muted":
            assert outcome.outcome not in ("granted", "recovered"), "muted, it starts nothing"
        for it in world.history[entries:]:
            if it.event == "granted" and it.lease is not None:
                episode, end_ms = (name, told.starts_at_ms), it.lease.expires_at_ms
                assert end_ms <= self.until_ms.setdefault(episode, end_ms), "one boost an episode"
        if any(it.event == "reverted" for it in world.history[entries:]) and name in self.firing:
            assert told.via == "level", "a webhook told of a former episode"
            lost_ms = self.now_ms - self.unlisted_ms.get(name, self.now_ms)
            assert lost_ms >= WAIT_MS, "it fires, and somebody listed it"

    def passes(self, looks: int) -> None:
        for _ in range(looks):
            self.now_ms += LOOK_MS
            for it in self.servers:
                if it.fed:  # Prometheus sends again each minute; and at times this is late
                    it.alerts = dict(self.firing)
            self.look()
            for name, world in self.worlds.items():
                world.now_ms = self.now_ms
                world.looks()
                self.check(name, world)

    def look(self) -> None:
        self.level.begin()
        views = [self.view(it) if it.readable else None for it in self.servers]
        for name in NAMES:
            if any(name in it.alerts for it in self.servers):
                self.unlisted_ms.pop(name, None)
            else:
                self.unlisted_ms.setdefault(name, self.now_ms)
        self.seen.update(
            it for server in self.servers if server.readable for it in server.alerts.items()
        )
        news = self.level.look(views, self.now_ms)
        for it in news:
            self.receive(it)
        self.level.told(RULES, news, self.now_ms)

    def view(self, server: Server) -> View:
        alerts = {
            name: alert(name, started_ms=start_ms)._replace(
                via="muted" if name in self.silenced else "level"
            )
            for name, start_ms in server.alerts.items()
        }
        return View(alerts, self.now_ms - server.up_since_ms, self.now_ms)

    def check(self, name: str, world: World) -> None:
        """What fires and is listed is known."""
        starts = {it.alerts[name] for it in self.servers if it.readable and name in it.alerts}
        began_ms = self.firing.get(name)
        # One that is cut off may list what is over: then nobody can tell what else is not.
        if began_ms is not None and starts == {began_ms} and name not in self.silenced:
            (case,) = world.state.cases.values()
            assert max(case.episodes[name][:2]) >= began_ms, "it was missed"

    def ends_well(self) -> None:
        """Everybody is reached again, and what is lost was made good."""
        for it in self.servers:
            it.readable = it.fed = True
        self.passes(25)
        for name, world in self.worlds.items():
            # What was never listed is not missed: that boost ends on schedule.
            if name not in self.firing and (name, self.began_ms.get(name)) in self.seen:
                assert not world.boosts, "it resolved 12 minutes ago"


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 2))
def test_what_holds_whatever_is_lost(seed: int, servers: int) -> None:
    random = Random(seed)
    incident = Incident(random, [Server() for _ in range(servers)])
    kinds = ["fires", "fires", "resolves", "repeats", "silence", "restarts", "hides", "is cut off"]
    for _ in range(random.randint(3, 40)):
        incident.does(random.choice(kinds), random.choice(NAMES), random.choice(incident.servers))
        if random.random() < 0.7:
            incident.passes(random.choice([1, 1, 2, 5, 13]))
    incident.ends_well()


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_any_interleaving_of_webhooks_and_lists_ends_in_the_same_leases(seed: int) -> None:
    """Within milliseconds; a lost webhook is made good by a list that comes before the end."""
    random = Random(seed)
    rule = replace(a_rule(random), cooldown_ms=0)
    told, listed = World(rule), World(rule)
    level, firing = Level(WAIT_MS, LOOK_MS), dict[str, Trigger]()

    def look() -> None:
        level.begin()
        views = [
            View({k: it._replace(via="level") for k, it in firing.items()}, 10**9, told.now_ms)
            for _ in range(random.randint(1, 2))
        ]
        news = level.look(views, told.now_ms)
        if news:
            listed.tells(*news)
        level.told(RULES, news, told.now_ms)

    def webhook(it: Trigger) -> None:
        listed.tells(it)
        level.told(RULES, [it], told.now_ms)

    for step in range(random.randint(1, 20)):
        name = random.choice(NAMES)
        if name in firing:
            look()  # or nobody would ever know of it
            it = firing.pop(name)._replace(status="resolved", ends_at_ms=told.now_ms)
        else:
            it = firing[name] = alert(name, started_ms=START_MS + step)
        told.now_ms = listed.now_ms = START_MS + step
        told.tells(it)
        if it.status == "resolved" or random.random() < 0.5:
            webhook(it)
        if random.random() < 0.3:
            look()
    look()
    assert [(it.hz, it.expires_at_ms // 1000) for it in told.boosts] == [
        (it.hz, it.expires_at_ms // 1000) for it in listed.boosts
    ]
