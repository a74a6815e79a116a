"""What becomes of an alert, one claim each; `tests/README.md` has the answers."""

from rules.world import MINUTE, START_MS, World, alert

OTHER = alert("0000000000000002")
THIRD = alert("0000000000000003")


def test_an_alert_boosts_for_the_rules_duration() -> None:
    world = World()
    outcome = world.fires()
    assert (outcome.outcome, outcome.hz, outcome.reason) == ("granted", 100, "100 Hz for 10m")
    (boost,) = world.boosts
    assert (boost.kind, boost.hz, world.runs_for_ms) == ("boost", 100, 10 * MINUTE)
    assert boost.cause.said == {
        "rule": "high_cpu", "alertname": "HighCPU", "fingerprint": "4bd675a02c6e66f0",
    }  # fmt: skip
    assert outcome.lease == boost.id
    assert boost.id.startswith("high_cpu/")


def test_a_repeated_alert_does_not_extend_a_boost() -> None:
    world = World()
    world.fires()
    world.passes(4 * MINUTE)
    assert world.fires().outcome == "repeat"
    assert world.runs_for_ms == 6 * MINUTE


def test_a_repeated_alert_writes_nothing() -> None:
    world = World()
    world.fires()
    before = world.state
    world.passes(1)
    world.fires()
    assert world.state is before


def test_an_alert_repeated_after_its_boost_ended_gets_no_other() -> None:
    world = World()
    world.fires()
    world.passes(4 * 60 * MINUTE)
    assert world.fires().outcome == "repeat"
    assert world.boosts == []


def test_the_next_episode_of_the_same_alert_gets_a_boost_of_its_own() -> None:
    world = World()
    world.fires()
    world.passes(11 * MINUTE)
    assert world.fires(alert(started_ms=world.now_ms)).outcome == "granted"


def test_another_alert_of_the_same_rule_and_scope_lets_the_boost_run_on() -> None:
    world = World()
    first = world.fires()
    world.passes(4 * MINUTE)
    outcome = world.fires(OTHER)
    assert (outcome.outcome, outcome.lease) == ("renewed", first.lease)
    assert world.runs_for_ms == 10 * MINUTE


def test_a_boost_never_outlasts_max_duration_however_many_alerts_fire() -> None:
    world = World()
    world.fires()
    for i in range(20):
        world.passes(4 * MINUTE)
        if not world.boosts:
            break
        outcome = world.fires(alert(f"{i:016x}"))
    assert outcome.outcome == "at_max_duration"
    assert world.now_ms - START_MS == 40 * MINUTE


def test_alerts_of_one_notification_share_a_boost() -> None:
    world = World()
    world.fires()
    outcome = world.fires(OTHER)
    assert outcome.outcome == "joined"
    assert len(world.boosts) == 1


def test_an_alert_about_another_scope_gets_a_boost_of_its_own() -> None:
    world = World(where={"deployment.environment.name": "production"})
    world.fires()
    world.where = {"deployment.environment.name": "staging"}
    assert world.fires(OTHER).outcome == "granted"
    assert len(world.boosts) == 2


def test_two_rules_that_overlap_live_side_by_side() -> None:
    world = World()
    world.fires()
    world.fires(name="high_latency", frequency_hz=49, duration_ms=15 * MINUTE)
    assert sorted(it.hz for it in world.boosts) == [49, 100]
    world.passes(10 * MINUTE)
    assert [it.hz for it in world.boosts] == [49]


def test_a_resolved_alert_leaves_the_boost_to_its_schedule() -> None:
    world = World()
    world.fires()
    world.passes(MINUTE)
    outcome = world.resolves()
    assert outcome.outcome == "resolved"
    assert world.runs_for_ms == 9 * MINUTE


def test_with_on_resolved_revert_a_boost_ends_with_its_last_alert() -> None:
    world = World()
    world.fires(on_resolved="revert")
    world.fires(OTHER, on_resolved="revert")
    outcome = world.resolves(on_resolved="revert")
    assert outcome.outcome == "resolved"
    assert "1 more" in outcome.reason
    assert len(world.boosts) == 1
    assert world.resolves(OTHER, on_resolved="revert").outcome == "reverted"
    assert world.boosts == []
    assert world.history[-1].event == "reverted"


def test_a_late_repeat_of_a_resolved_alert_grants_nothing() -> None:
    world = World()
    world.fires(on_resolved="revert")
    world.resolves(on_resolved="revert")
    world.passes(60 * MINUTE)
    assert world.fires(on_resolved="revert").outcome == "repeat"
    assert world.boosts == []


def test_an_alert_that_never_boosted_resolves_without_effect() -> None:
    world = World()
    assert world.resolves().outcome == "resolved"
    assert world.commits == 0


def test_an_alert_that_goes_on_firing_loses_its_boost_after_the_duration() -> None:
    world = World()
    world.fires()
    world.passes(10 * MINUTE)
    world.looks()
    assert world.state.leases == ()
    assert world.history[-1].event == "expired"


def test_while_firing_renews_a_boost_with_each_webhook_up_to_max_duration() -> None:
    world = World()
    world.fires(while_firing=True)
    world.passes(5 * MINUTE)
    assert world.fires(while_firing=True).outcome == "renewed"
    assert world.runs_for_ms == 10 * MINUTE
    for _ in range(6):
        world.passes(5 * MINUTE)
        outcome = world.fires(while_firing=True)
    assert outcome.outcome == "at_max_duration"
    world.passes(5 * MINUTE)
    assert world.boosts == []
    assert world.fires(while_firing=True).outcome == "at_max_duration"


def test_while_firing_boosts_again_when_the_webhook_comes_after_the_end() -> None:
    world = World()
    world.fires(while_firing=True)
    world.passes(35 * MINUTE)
    assert world.fires(while_firing=True).outcome == "granted"
    assert world.runs_for_ms == 5 * MINUTE  # max_duration counts from the first start


def test_a_flapping_alert_gets_no_new_boost_until_the_cooldown_has_passed() -> None:
    world = World()
    world.fires(cooldown_ms=30 * MINUTE)
    world.passes(11 * MINUTE)
    outcome = world.fires(alert(started_ms=world.now_ms), cooldown_ms=30 * MINUTE)
    assert outcome.outcome == "cooldown"
    assert outcome.until_ms == START_MS + 40 * MINUTE
    assert "29m" in outcome.reason
    world.passes(29 * MINUTE)
    again = alert(started_ms=world.now_ms)
    assert world.fires(again, cooldown_ms=30 * MINUTE).outcome == "granted"


def test_an_alert_refused_by_a_cooldown_is_boosted_by_a_later_repeat() -> None:
    world = World()
    world.fires(cooldown_ms=MINUTE)
    world.passes(10 * MINUTE + 1)
    again = alert(started_ms=world.now_ms)
    assert world.fires(again, cooldown_ms=MINUTE).outcome == "cooldown"
    world.passes(MINUTE)
    assert world.fires(again, cooldown_ms=MINUTE).outcome == "granted"


def test_the_cooldown_of_a_boost_that_ended_early_begins_early() -> None:
    world = World()
    world.fires(cooldown_ms=30 * MINUTE, on_resolved="revert")
    world.passes(MINUTE)
    world.resolves(cooldown_ms=30 * MINUTE, on_resolved="revert")
    world.passes(29 * MINUTE)
    assert world.fires(OTHER, cooldown_ms=30 * MINUTE).outcome == "cooldown"
    world.passes(MINUTE)
    assert world.fires(OTHER, cooldown_ms=30 * MINUTE).outcome == "granted"


def test_a_released_boost_stays_released_though_its_alert_goes_on() -> None:
    world = World()
    world.fires(while_firing=True)
    assert world.released().outcome == "released"
    world.passes(MINUTE)
    outcome = world.fires(while_firing=True)
    assert (outcome.outcome, outcome.reason) == ("repeat", "this episode was released before")
    assert world.boosts == []


def test_a_full_target_refuses_and_says_so() -> None:
    world = World()
    for i in range(256):
        assert world.fires(name=f"rule{i}").outcome == "granted"
    outcome = world.fires(name="one_too_many")
    assert outcome.outcome == "refused"
    assert "256 boosts by rules" in outcome.reason
