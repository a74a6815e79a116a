"""Which notices a commit makes, and their words."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from controller.notify.receiver import LEASE, NOW_MS, destination, its_end, notice
from rules.world import MINUTE, World, override
from upshift_agent.contract import Cause
from upshift_controller.leasing.committer import Committed
from upshift_controller.notify.grafana import annotation
from upshift_controller.notify.notices import Notice, notices_of
from upshift_controller.notify.words import as_json, as_slack, in_words, link_to
from upshift_rules.leases.state import TargetState
from upshift_rules.model import Refusal

LINK = "https://upshift.example.org/api/v1/targets/{target}?lease={lease}"


def told(world: World) -> list[Notice]:
    return [*notices_of(Committed(world.state, world.history, world.now_ms))]


def test_a_boosts_beginning_and_end_are_told_and_its_renewals_are_not() -> None:
    world = World()
    world.fires()
    world.passes(MINUTE)
    world.fires(while_firing=True)
    world.passes(60 * MINUTE)
    world.looks()
    assert [it.event for it in world.history] == ["granted", "renewed", "expired"]
    first, last = told(world)
    assert (first.topic, first.event, first.has_ended) == ("boost", "granted", False)
    assert (last.event, last.has_ended) == ("expired", True)
    assert last.at_ms == last.lease.expires_at_ms  # not when that was noticed
    assert first.id != last.id


def test_a_boost_that_is_released_ended_then() -> None:
    world = World()
    world.fires()
    world.passes(MINUTE)
    world.released()
    assert told(world)[-1].at_ms == world.now_ms


def test_what_a_limit_refused_is_told() -> None:
    world = World(refusal=Refusal("max_boosted_agents", 10, 10, "no room"))
    world.fires()
    (refused,) = told(world)
    assert (refused.topic, refused.limit) == ("refused", "max_boosted_agents")


@pytest.mark.parametrize(
    ("target", "kind", "hz", "profile", "topic"),
    [
        ("fleet", "cap", 0, None, "kill_switch"),
        ("fleet", "cap", 0, "cpu", None),
        ("fleet", "cap", 19, None, None),
        ("service/checkout", "cap", 0, None, None),
        ("service/checkout", "pin", 49, None, None),
        ("service/checkout", "boost", 49, None, "boost"),
    ],
)
def test_of_overrides_boosts_and_kill_switches_are_told(
    target: str, kind: str, hz: int, profile: str | None, topic: str | None
) -> None:
    world = World(state=TargetState(target=target))
    world.told(override(kind, hz, profile))  # type: ignore[arg-type]
    assert [it.topic for it in told(world)] == [topic] * (topic is not None)


def test_notices_are_sentences() -> None:
    assert in_words(notice()) == (
        "service/checkout: 97 Hz for 10m; boost high_cpu/3f9a07c1: alert HighCPU"
    )
    assert in_words(its_end()).startswith("service/checkout: no longer 97 Hz, after 10m; ")
    refused = notice(event="refused", topic="refused", reason="no room")
    assert in_words(refused) == "service/checkout: no 97 Hz; no room"
    stop = replace(LEASE, kind="cap", hz=0, profile="all")
    stopped = notice(topic="kill_switch", target="fleet", lease=stop, reason="cap/1: by ann")
    assert in_words(stopped) == "fleet: stopped for 10m; cap/1: by ann"


def test_json_has_all_there_is() -> None:
    document = as_json(notice(by="ann"), LINK)
    assert document["lease"]["because"]["alertname"] == "HighCPU"
    assert (document["about"], document["event"], document["by"]) == ("boost", "granted", "ann")
    assert document["link"] == (
        "https://upshift.example.org/api/v1/targets/service/checkout?lease=high_cpu/3f9a07c1"
    )


HOSTILE = "<!channel> & <https://evil.example|look> <script>alert(1)</script>"


def test_in_slack_a_name_is_no_mention_and_no_link() -> None:
    text = as_slack(notice(reason=HOSTILE), LINK)["text"]
    said, _, link = text.rpartition(" <")
    assert "<" not in said
    assert link.endswith("|look>")


def test_in_grafana_a_name_is_no_markup() -> None:
    class Tags(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.found.append(tag)

    parser = Tags()
    parser.found = []
    parser.feed(annotation(notice(reason=HOSTILE), destination(link=LINK))["text"])
    assert parser.found == ["a"]


def test_a_link_takes_names_that_are_no_part_of_a_path() -> None:
    strange = notice(target="service/a b|<x>?")
    assert link_to(strange, LINK) == (
        "https://upshift.example.org/api/v1/targets/service/a%20b%7C%3Cx%3E%3F"
        "?lease=high_cpu/3f9a07c1"
    )


def test_an_annotation_has_its_times_and_tags() -> None:
    made = annotation(notice(), destination(tags=("team-a",)))
    assert (made["time"], made["timeEnd"]) == (NOW_MS, NOW_MS + 600_000)
    assert made["tags"] == ["upshift", "service:checkout", "rule:high_cpu", "97 Hz", "team-a"]
    planned = replace(LEASE, profile="heap", cause=Cause.of_schedule("nightly"))
    made = annotation(notice(lease=planned, target="fleet"), destination())
    assert made["tags"] == ["upshift", "fleet", "schedule:nightly", "97 an hour"]
