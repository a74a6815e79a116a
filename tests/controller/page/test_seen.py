"""The views in Chromium: each action, by keyboard only, in both colour schemes, narrow and wide."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from controller.page.conftest import VIEWER, Open, Site, site
from servers import RedisServer

pytestmark = pytest.mark.servers("chromium")
SCHEMES = [("light", 360), ("dark", 360), ("light", 1440), ("dark", 1440)]


def check(page: Page) -> None:
    """axe-core finds nothing, and nothing is wider than the window."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


@pytest.mark.parametrize(("scheme", "width"), SCHEMES)
def test_every_view_can_be_read_by_all(
    here: Site, open_page: Open, scheme: str, width: int
) -> None:
    here.agents("checkout", 12)
    here.agents("wide-" + "name" * 20, 1, error="no such profiler " + "x" * 200)
    here.alert(service_name="checkout")
    page = open_page(here, None, color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(here.url)
    check(page)  # signing in
    page.get_by_label("Token").fill("wrong" * 8)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    check(page)
    page.get_by_label("Token").fill("operator-0123456789abcdef")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#behind")).to_contain_text("service/checkout: 12 of 12 agents")
    expect(page.locator("#leases")).to_contain_text("boost to 99 Hz")
    check(page)
    page.goto(f"{here.url}/target/service/checkout")
    expect(page.locator("#state")).to_contain_text("12 of 12 agents have not applied")
    check(page)
    page.goto(f"{here.url}/target/service/chekout")
    check(page)
    page.goto(f"{here.url}/preview?target=checkout&kind=pin&hz=49&duration=1h")
    check(page)
    page.goto(f"{here.url}/preview?target=checkout&kind=pin&hz=no&duration=1h")
    expect(page.get_by_role("alert")).to_contain_text("frequency must be")
    check(page)
    page.goto(here.url)
    page.locator("#stop").get_by_role("button").click()
    expect(page.locator("#state")).to_contain_text("The kill switch is on")
    check(page)


def keys(page: Page, *pressed: str) -> None:
    for key in pressed:
        page.keyboard.press(key)


def tab_to(page: Page, words: str) -> None:
    """Press Tab until what has these words, or this label, has the focus, as anybody can see."""
    name = """() => { const it = document.activeElement; return [it.getAttribute('aria-label'),
        it.labels?.[0]?.textContent, it.textContent].find((text) => text?.trim()) ?? '' }"""
    for _ in range(60):
        page.keyboard.press("Tab")
        if " ".join(page.evaluate(name).split()).startswith(words):
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) != "none"
            return
    raise AssertionError(f"Tab never comes to {words}")


def test_a_keyboard_is_enough_for_every_action(here: Site, open_page: Open) -> None:
    here.agents("checkout", 12)
    page = open_page(here)
    page.goto(here.url)
    tab_to(page, "Whom")
    page.keyboard.type("checkout")
    tab_to(page, "Hz")
    keys(page, "Control+a")
    page.keyboard.type("100")
    tab_to(page, "Why")
    page.keyboard.type("slow carts")
    keys(page, "Enter")
    expect(page.locator("#preview")).to_contain_text(
        "12 agents, 19 → 100 Hz, for 10m, some 1.0 cores"
    )
    keys(page, "Enter")  # the button has the focus
    expect(page.get_by_role("status")).to_contain_text("Granted: boost 100 Hz for 10m")
    expect(page.locator("#leases")).to_contain_text("slow carts")
    assert [(it["kind"], it["hz"]) for it in here.leases()] == [("boost", 100)]
    tab_to(page, "Release boost/")
    keys(page, "Enter")
    expect(page.locator("#leases")).to_contain_text("No lease")
    assert here.leases() == []

    for kind, words in (("p", "pin to 49 Hz"), ("c", "cap at most 49 Hz")):
        tab_to(page, "What boost")
        page.keyboard.type(kind)
        tab_to(page, "Hz")
        keys(page, "Control+a")
        page.keyboard.type("49")
        keys(page, "Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text(words)
        keys(page, "Enter")
        expect(page.locator("#leases")).to_contain_text(words)

    tab_to(page, "Stop it all")
    keys(page, "Enter")
    page.wait_for_url("**/#stop")
    tab_to(page, "Switch all profilers off")
    keys(page, "Enter")
    expect(page.locator("#state")).to_contain_text("The kill switch is on")
    stop = next(it for it in here.leases() if it["target"] == "fleet")
    assert (stop["kind"], stop["profile"], stop["hz"]) == ("cap", "all", 0)
    tab_to(page, "Release cap/")
    keys(page, "Enter")
    expect(page.locator("#state")).not_to_contain_text("The kill switch is on")


def test_a_viewer_sees_all_of_it_and_no_button(here: Site, open_page: Open) -> None:
    here.agents("checkout", 2)
    here.alert(service_name="checkout")
    page = open_page(here, VIEWER)
    for path in ("/", "/target/service/checkout"):
        page.goto(here.url + path)
        expect(page.locator("#leases")).to_contain_text("boost to 99 Hz")
        assert page.locator("main button, main form").count() == 0


def test_a_change_is_shown_and_nothing_that_is_typed_is_lost(here: Site, open_page: Open) -> None:
    page = open_page(here)
    page.goto(here.url)
    expect(page.locator("#leases")).to_contain_text("Nothing is")
    page.get_by_label("Whom").fill("check")
    page.get_by_label("Whom").focus()
    here.alert(service_name="checkout")
    expect(page.locator("#leases")).to_contain_text("boost to 99 Hz")
    expect(page.get_by_label("Whom")).to_be_focused()
    page.keyboard.type("out")
    expect(page.get_by_label("Whom")).to_have_value("checkout")

    button = page.get_by_role("button", name="Release high_cpu")
    button.focus()
    here.alert(service_name="cart")
    expect(page.locator("#leases tbody tr")).to_have_count(2)
    assert "service/checkout" in page.evaluate("document.activeElement.ariaLabel")


def test_a_renewed_lease_counts_down_from_its_new_end(here: Site, open_page: Open) -> None:
    here.alert(service_name="checkout")
    page = open_page(here)
    page.goto(here.url)
    left = page.locator("#leases [data-left]")
    expect(left).to_contain_text("min")
    left.evaluate("it => { it.endsAt = performance.now() + 5000 }")
    expect(left).to_contain_text(" s")
    expect(left).not_to_contain_text("min")
    here.alert(service_name="cart")  # any news makes it look again
    expect(left.first).to_contain_text("9 min")


def test_it_works_without_a_script(here: Site, open_page: Open) -> None:
    page = open_page(here, java_script_enabled=False)
    page.get_by_label("Whom").fill("checkout")
    page.get_by_role("button", name="Show what it would do").click()
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#leases")).to_contain_text("boost to 100 Hz")
    page.get_by_role("button", name="Release").click()
    expect(page.locator("#leases")).to_contain_text("No lease")


def test_a_session_and_a_change_are_the_same_at_every_controller(
    here: Site, valkey: RedisServer, open_page: Open
) -> None:
    with site(here.config.parent, valkey) as other:
        page = open_page(here)
        second = page.context.new_page()
        second.goto(other.url)
        expect(second.locator("#leases")).to_contain_text("Nothing is")
        page.goto(f"{here.url}/preview?target=checkout&kind=boost&hz=77&duration=10m")
        page.get_by_role("button", name="Do it").click()
        expect(second.locator("#leases")).to_contain_text("boost to 77 Hz")
