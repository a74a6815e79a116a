"""What is news in Alertmanagers' lists, and what their silence proves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules.world import HIGH_CPU
from upshift_agent.contract import Baseline
from upshift_controller.sources.alertmanager import level
from upshift_controller.sources.alertmanager.level import AGAIN_MS, Level, View, merged, pace
from upshift_rules.model import RuleSet, Trigger

SECOND, MINUTE = 1000, 60_000
LONG = 10**9
RULES = RuleSet(baseline=Baseline(default=19))


def fired(identity: str, *, muted: bool = False, start: int = 1, **labels: str) -> Trigger:
    return Trigger("firing", labels, identity, start, via="muted" if muted else "level")


def notice(identity: str, *, resolved: bool = False) -> Trigger:
    return Trigger("resolved" if resolved else "firing", {}, identity, 1)


def listing(*alerts: Trigger, up: int = LONG, whole: bool = True, at: int = 0) -> View:
    return View({it.identity: it for it in alerts}, up * MINUTE, at * MINUTE, whole)


def a_level(*known: Trigger) -> Level:
    made = Level(5 * MINUTE, 30 * SECOND)
    made.told(RULES, known, 0)
    return made


def told(known: Level, at: int, *views: View | None, note: bool = True) -> list[str]:
    """Who is told of after a look at this second: `a` fires, `-a` has resolved."""
    known.begin()
    news = known.look(views, at * SECOND)
    if note:
        known.told(RULES, news, at * SECOND)
    return [("-" if it.status == "resolved" else "") + it.identity for it in news]


def gone(known: Level, at: int, *views: View | None) -> list[str]:
    """Who has resolved, by a look at this minute."""
    return [it[1:] for it in told(known, at * 60, *views, note=False) if it.startswith("-")]


def test_what_nobody_told_of_is_news_and_soon_it_is_not() -> None:
    known = a_level(notice("a"))
    a, b = fired("a"), fired("b")
    assert told(known, 30, listing(a, b)) == ["b"]
    assert told(known, 60, listing(a, b)) == []


def test_another_start_is_news() -> None:
    known = a_level(fired("a"))
    assert told(known, 30, listing(fired("a", start=2))) == ["a"]


def test_what_could_not_be_noted_is_news_at_the_next_look() -> None:
    known = a_level()
    assert told(known, 0, listing(fired("a")), note=False) == ["a"]
    assert told(known, 30, listing(fired("a"))) == ["a"]


def test_all_that_fires_is_told_when_rules_have_changed() -> None:
    known = a_level(fired("a"))
    assert [it.identity for it in known.look([listing(fired("a"))], 0, anew=True)] == ["a"]


def test_what_fires_on_is_told_again_within_5_minutes_not_all_of_it_at_once() -> None:
    alerts = [fired(str(n)) for n in range(160)]
    known = a_level(*alerts)
    looks = [told(known, at, listing(*alerts)) for at in range(30, 301, 30)]
    assert {it for look in looks for it in look} == {it.identity for it in alerts}
    assert max(map(len, looks)) <= 40


def test_a_boost_that_is_renewed_is_told_of_thrice_while_it_would_last() -> None:
    lasting = replace(HIGH_CPU, while_firing=True, duration_ms=3 * MINUTE)
    rules = RuleSet(baseline=Baseline(default=19), rules=(HIGH_CPU, lasting))
    about = fired("a", alertname="HighCPU", service="checkout")
    assert pace(rules, about) == MINUTE
    assert pace(rules, fired("b", alertname="Other")) == AGAIN_MS
    known = a_level()
    known.told(rules, [about], 0)
    assert "a" in told(known, 30, listing(about)), "the look after this one would be late"


def test_a_muted_alert_is_told_as_such_and_again_when_it_is_muted_no_more() -> None:
    known = a_level()
    muted = fired("a", muted=True)
    assert [it.via for it in known.look([listing(muted)], 0)] == ["muted"]
    assert told(known, 0, listing(muted)) == ["a"]
    assert told(known, 30, listing(muted)) == []
    assert told(known, 60, listing(fired("a"))) == ["a"]
    assert told(known, 90, listing(muted)) == [], "a silence during a boost is no news"


def test_one_that_is_muted_anywhere_is_muted_since_its_earliest_start() -> None:
    one, other = fired("a", start=5), fired("a", start=3, muted=True)
    for views in ([listing(one), listing(other)], [listing(other), listing(one)]):
        (both,) = merged(views).values()
        assert (both.starts_at_ms, both.via) == (3, "muted")


def test_what_one_of_them_lists_fires() -> None:
    assert told(a_level(), 0, listing(fired("a")), listing(fired("b"))) == ["a", "b"]
    assert told(a_level(), 0, None, listing(fired("b"))) == ["b"]


def test_an_alert_that_resolved_while_its_list_was_read_does_not_fire() -> None:
    known = a_level(fired("a"))
    known.begin()
    known.told(RULES, [notice("a", resolved=True)], 0)
    assert known.look([listing(fired("a"))], 1) == []


def test_an_alert_that_is_missing_for_longer_than_5_minutes_has_resolved() -> None:
    known, b = a_level(fired("a"), fired("b")), fired("b")
    assert gone(known, 0, listing(b)) == []
    assert gone(known, 5, listing(b)) == []
    assert gone(known, 6, listing(b)) == ["a"]


def test_it_resolved_when_it_was_missed_first_by_alertmanagers_clock_and_is_told_of_once() -> None:
    known = a_level(fired("a"))
    gone(known, 0, listing())
    (over,) = known.look([listing(at=60)], 6 * MINUTE)
    assert (over.status, over.via, over.ends_at_ms) == ("resolved", "level", 54 * MINUTE)
    known.told(RULES, [over], 6 * MINUTE)
    assert known.look([listing(at=90)], 36 * MINUTE) == []


def test_what_was_never_listed_is_missed_by_nobody() -> None:
    known = a_level(notice("a"))
    assert not any(gone(known, at, listing()) for at in range(20))
    gone(known, 20, listing(fired("a")))
    known.told(RULES, [notice("a")], 0)
    gone(known, 21, listing())
    assert gone(known, 27, listing()) == ["a"]


def test_a_silenced_alert_has_not_resolved() -> None:
    known = a_level(fired("a"))
    assert not any(gone(known, at, listing(fired("a", muted=True))) for at in range(20))


def test_one_that_was_seen_again_was_not_missing() -> None:
    known = a_level(fired("a"))
    gone(known, 0, listing())
    gone(known, 4, listing(fired("a")))
    assert gone(known, 8, listing()) == []
    assert gone(known, 14, listing()) == ["a"]


def test_a_webhook_that_has_it_firing_ends_its_absence() -> None:
    known = a_level(fired("a"))
    gone(known, 0, listing())
    known.told(RULES, [notice("a")], 0)
    assert gone(known, 6, listing()) == []


def test_the_empty_list_after_a_restart_proves_nothing() -> None:
    known = a_level(fired("a"))
    for at in range(60):
        assert gone(known, at, listing(up=at % 5)) == [], "it restarts every 5 minutes"
    assert gone(known, 66, listing(up=6)) == ["a"]


def test_every_one_of_them_must_miss_it_and_must_have_been_up_for_longer() -> None:
    known = a_level(fired("a"))
    for at in range(20):
        assert gone(known, at, listing(), listing(fired("a"))) == []
    for at in range(20, 40):
        assert gone(known, at, listing(), listing(up=at - 35)) == []
    assert gone(known, 41, listing(), listing(up=6)) == ["a"]


def test_what_could_not_be_read_proves_nothing() -> None:
    known = a_level(fired("a"))
    gone(known, 0, listing(), listing())
    assert gone(known, 6, listing(), None) == []
    assert gone(known, 7, listing(), listing()) == [], "all waits start anew"
    assert gone(known, 12, listing(), listing()) == []
    assert gone(known, 13, listing(), listing()) == ["a"]
    assert gone(known, 19, None, None) == []


def test_a_list_that_was_too_long_to_be_read_whole_proves_nothing() -> None:
    known = a_level(fired("a"))
    assert not any(gone(known, at, listing(whole=False)) for at in range(20))


def test_nobody_is_asked_and_nobody_is_gone() -> None:
    known = a_level(fired("a"))
    assert not any(gone(known, at) for at in range(20))


def test_what_is_remembered_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level, "MAX_SIZE", 100_000)
    known = a_level(*(fired(str(n), label="x" * 9_000) for n in range(1000)))
    known.told(RULES, [fired("999", label="")], 0)
    gone(known, 0, listing())
    assert gone(known, 6, listing()) == [str(n) for n in range(990, 1000)]
