"""What limits refuse, and how often they say so."""

from rules.world import HIGH_CPU, MINUTE, START_MS, World, alert
from upshift_agent.contract import Cause
from upshift_rules.leases.changes import Override
from upshift_rules.leases.state import TargetState
from upshift_rules.leases.transition import transition
from upshift_rules.model import Claim, Refusal

FULL = Refusal("max_boosted_agents", 10, 10, "no room")
OFTEN = Refusal("max_boosts_per_hour", 3, 3, "too often")
BOOST = Override(
    id="boost/1", kind="boost", hz=99, duration_ms=MINUTE, where={}, cause=Cause.of_operator("ann")
)


# What the history hears


def test_a_refused_alert_is_in_the_history_once_however_often_it_is_repeated() -> None:
    world = World(refusal=FULL)
    for _ in range(5):
        outcome = world.fires()
        assert (outcome.outcome, outcome.refusal, outcome.reason) == ("refused", FULL, "no room")
        world.passes(4 * 60 * MINUTE)
    (entry,) = world.history
    assert (entry.event, entry.limit) == ("refused", "max_boosted_agents")
    assert entry.reason.endswith("alert HighCPU; no room")
    assert entry.lease is not None
    assert entry.lease.hz == 100
    assert world.commits == 1, "a repeat writes nothing"
    assert world.state.plan_rev == 0, "no agent is woken"


def test_a_thousand_alerts_of_one_refused_boost_are_one_entry() -> None:
    world = World(refusal=FULL)
    claims = [Claim(rule=HIGH_CPU, trigger=alert(f"{i}"), target="service/checkout", where={})
              for i in range(1000)]  # fmt: skip
    assert {it.outcome for it in world._apply(claims)} == {"refused"}  # type: ignore[arg-type]
    assert {world.fires(alert(f"{i}")).outcome for i in range(1000)} == {"refused"}
    assert len(world.history) == 1


def test_a_refused_alert_gets_its_boost_as_soon_as_there_is_room() -> None:
    world = World(refusal=FULL)
    world.fires()
    world.refusal = None
    assert world.fires().outcome == "granted"
    assert world.runs_for_ms == 10 * MINUTE
    world.released()
    world.refusal = FULL
    world.fires(alert("another"))
    assert [it.event for it in world.history] == ["refused", "granted", "released", "refused"]


def test_a_new_episode_that_is_refused_is_told_anew() -> None:
    world = World(refusal=FULL)
    world.fires()
    world.resolves()
    world.fires(alert(started_ms=START_MS))
    assert [it.event for it in world.history] == ["refused", "refused"]


def test_each_limit_is_told() -> None:
    world = World(refusal=FULL)
    world.fires()
    world.refusal = OFTEN
    world.fires()
    assert [it.limit for it in world.history] == ["max_boosted_agents", "max_boosts_per_hour"]


def test_a_refusal_costs_no_cooldown() -> None:
    world = World(refusal=FULL)
    world.fires(cooldown_ms=60 * MINUTE)
    world.refusal = None
    assert world.fires(cooldown_ms=60 * MINUTE).outcome == "granted"


def test_a_renewal_is_never_refused() -> None:
    world = World()
    world.fires()
    world.refusal = FULL
    world.passes(MINUTE)
    assert world.fires(alert("another")).outcome == "renewed"


def test_a_refused_override_says_who_asked_each_time() -> None:
    world = World(refusal=FULL)
    assert [world.told(BOOST).outcome for _ in range(2)] == ["refused", "refused"]
    assert [(it.event, it.by) for it in world.history] == [("refused", "ann")] * 2
    assert world.state.leases == ()


def test_controllers_that_grant_from_one_revision_give_a_lease_one_name() -> None:
    claim = Claim(rule=HIGH_CPU, trigger=alert(), target="service/checkout", where={})

    def name(rev: int, now_ms: int) -> str:
        state = TargetState(target="service/checkout", rev=rev)
        return transition(state, [claim], now_ms).state.leases[0].id

    assert name(7, START_MS) == name(7, START_MS + 999)
    assert name(7, START_MS) != name(8, START_MS), "a lost commit's never comes back"
