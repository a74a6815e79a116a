"""Time line, Rules and Report in Chromium: for all eyes, by keyboard, of any history."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from controller.evidence.backends import Program, standing_in
from controller.evidence.test_reports import ran
from controller.limiting import KEYS
from controller.page.conftest import VIEWER, Open, Site, site
from controller.page.test_seen import SCHEMES, check, keys, tab_to
from controller.page.test_withstood import HOSTILE
from servers import RedisServer

pytestmark = pytest.mark.servers("chromium")
ALERT = json.dumps({"labels": {"alertname": "HighCPU", "service_name": "cart"}})
MORE = """\
  schedules:
    - {name: nightly, cron: "0 3 * * *", duration: 1h, target: service/checkout, frequency: 49}
"""


@pytest.fixture
def there(tmp_path: Path, valkey: RedisServer) -> Iterator[Site]:
    """With a backend, in which a function takes more while a boost of this history ran."""
    program = Program(0, 100)
    with (
        standing_in(program) as url,
        site(
            tmp_path / "there", valkey, more=f"{MORE}backends: {{pyroscope: {{url: '{url}'}}}}\n"
        ) as found,
    ):
        with valkey.client() as client:
            program.since_ms = ran(client)
        found.alert(service_name="cart")
        pin = {"target": "service/cart", "kind": "pin", "hz": 9, "duration": "1h"}
        found.ask("POST", "/api/v1/leases", json=pin | {"reason": "too dear"})
        yield found


def tell(at: Site, target: str, count: int = 1, **changes: Any) -> None:
    """Write lines of a history as whoever may write in Redis can."""
    with at.valkey.client() as client:
        now_ms = int(client.time()[0]) * 1000
        lines = client.pipeline(transaction=False)
        for number in range(count):
            at_ms = now_ms - (count - number) * 20
            lease = {
                "id": f"high_cpu/{number}",
                "kind": "boost",
                "profile": "cpu",
                "hz": 99,
                "since_ms": at_ms,
                "expires_at_ms": at_ms + 60_000,
                "because": {"rule": "high_cpu"},
            } | changes
            entry = {"at_ms": at_ms, "event": "granted", "reason": changes.get("id", "an alert")}
            told = json.dumps(entry | {"lease": lease})
            lines.xadd(KEYS.history(target), {"entry": told}, id=f"{at_ms * 1000}-{number}")
        lines.zadd(KEYS.targets, {target: now_ms})
        lines.execute()


def look(page: Page, name: str) -> None:
    """Where somebody wants to see them, pictures are kept."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "width"), SCHEMES)
def test_what_was_can_be_read_by_all(there: Site, open_page: Open, scheme: str, width: int) -> None:
    page = open_page(there, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(f"{there.url}/timeline?hours=1")
    lane = page.get_by_role("region", name="service/checkout")
    expect(lane.locator("rect")).to_have_count(1)
    expect(page.get_by_role("region", name="service/cart").locator("rect")).to_have_count(2)
    for summary in page.locator("summary").all():
        summary.click()
    expect(page.locator("#timeline")).to_contain_text("too dear")
    check(page)
    look(page, f"timeline-{scheme}-{width}")
    lane.get_by_role("link", name="What high_cpu/1 found").click()
    expect(page.locator("#report")).to_contain_text("parse takes more")
    expect(page.locator("svg.flame rect.more").first).to_be_attached()
    check(page)
    look(page, f"report-{scheme}-{width}")
    page.goto(f"{there.url}/rules")
    expect(page.locator("#schedules")).to_contain_text("nightly")
    page.get_by_label("An alert, or a webhook").fill(ALERT)
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explain")).to_contain_text("HighCPU")
    check(page)
    look(page, f"rules-{scheme}-{width}")


def test_a_keyboard_is_enough_for_what_was(there: Site, open_page: Open) -> None:
    page = open_page(there)
    page.goto(f"{there.url}/timeline")
    tab_to(page, "24 h")
    keys(page, "Enter")
    page.wait_for_url("**/timeline?hours=24")
    tab_to(page, "service/checkout")
    tab_to(page, "1 lease")
    keys(page, "Enter")
    tab_to(page, "What high_cpu/1 found")
    keys(page, "Enter")
    expect(page.locator("#report")).to_contain_text("parse takes more")
    page.goto(f"{there.url}/rules")
    tab_to(page, "An alert, or a webhook")
    page.keyboard.insert_text(ALERT)
    keys(page, "Tab", "Enter")
    expect(page.locator("#explain")).to_contain_text("service/cart")


def test_a_viewer_may_explain_which_changes_nothing_and_is_told_what_is_no_alert(
    there: Site, open_page: Open
) -> None:
    page = open_page(there, VIEWER)
    before = there.leases()
    for pasted, words in (
        (ALERT.replace("cart", "shop"), "service/shop"),
        (ALERT.replace("cart", HOSTILE.replace('"', "'")), "onerror"),
    ):
        page.goto(f"{there.url}/rules")
        page.get_by_label("An alert, or a webhook").fill(pasted)
        page.get_by_role("button", name="Explain").click()
        expect(page.locator("article.account")).to_contain_text(words)
        assert page.locator("#pwned, main img, main script").count() == 0
    for pasted in ("{", "[" * 9000, "null", '{"labels": 7}', '"\\ud800"', "x" * 19_000):
        page.goto(f"{there.url}/rules")
        page.get_by_label("An alert, or a webhook").fill(pasted)
        page.get_by_role("button", name="Explain").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert page.locator("article.account").count() == 0
    assert [it["id"] for it in there.leases()] == [it["id"] for it in before]


def test_no_text_of_a_history_or_of_a_profile_becomes_more_than_text(
    tmp_path: Path, valkey: RedisServer, open_page: Open
) -> None:
    program = Program(0, 100, (HOSTILE, "render"))
    with (
        standing_in(program) as url,
        site(tmp_path / "evil", valkey, more=f"backends: {{pyroscope: {{url: '{url}'}}}}\n") as at,
    ):
        with valkey.client() as client:
            program.since_ms = ran(client, lease=HOSTILE)
        tell(at, "service/cart", id=HOSTILE, kind=HOSTILE, profile=HOSTILE)
        page = open_page(at)
        page.goto(f"{at.url}/timeline")
        expect(page.locator("#timeline")).to_contain_text("onerror")
        assert page.locator("#pwned, main img, main script").count() == 0
        page.goto(f"{at.url}/report?of=service/checkout")
        expect(page.locator("#report")).to_contain_text("onerror")
        assert page.locator("#pwned, main img, main script, main [onerror]").count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "\ud800"},
        {"id": {"a": 1}, "profile": ["x"]},
        {"hz": 2**52, "expires_at_ms": 2**52},
        {"since_ms": -1},
        {"because": 7, "where": 7},
    ],
    ids=str,
)
def test_no_line_of_a_history_takes_the_views_away(
    open_site: Site, changes: dict[str, Any]
) -> None:
    tell(open_site, "service/odd", **changes)
    for path in ("/timeline", "/rules"):
        assert "<h1" in open_site.ask("GET", path).text


def test_a_long_history_is_bounded_and_says_so(open_site: Site) -> None:
    tell(open_site, "service/busy", 10_000)
    text = open_site.ask("GET", "/timeline").text
    assert "There was more than is shown: the 1000 newest" in text
    assert text.count("<rect") <= 1000
    assert len(text) < 2_000_000
    assert "granted 1000" in open_site.ask("GET", "/rules").text


def test_what_is_asked_wrongly_is_said_in_words(there: Site, open_page: Open) -> None:
    page = open_page(there)
    for path, words in (
        ("/timeline?hours=7", "hours must be one of 1, 6, 24, 168"),
        ("/timeline?hours=99999999999", "hours must be one of"),
        ("/report", "of must name a lease or a target"),
        ("/report?of=service/nobody", "the history has no boost of service/nobody"),
        ("/report?of=service/checkout&against=never", "against"),
    ):
        page.goto(there.url + path)
        expect(page.locator("#error")).to_contain_text(words)
