"""The page in Chromium while others mean harm, servers go away, and the fleet is large."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from controller.page.conftest import OPERATOR, Open, Site
from servers import free_port
from upshift_controller.page.now import MOST

pytestmark = pytest.mark.servers("chromium")
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'><b id=pwned>"


def test_no_text_becomes_more_than_text(here: Site, open_page: Open) -> None:
    here.agents(
        "checkout",
        1,
        instance=HOSTILE,
        driver=HOSTILE,
        error=HOSTILE,
        skipped=(HOSTILE,),
        attributes={"service.name": "checkout", "host.name": HOSTILE},
        state="failed",
    )
    here.agents(HOSTILE, 1)
    here.alert(alertname=HOSTILE, sampling_trigger="high_cpu", service_name="checkout")
    here.alert(service_name=HOSTILE, environment=HOSTILE)
    request = {"target": "service/checkout", "hz": 49, "duration": "10m", "reason": HOSTILE}
    here.ask("POST", "/api/v1/leases", json=request | {"kind": "pin", "where": {HOSTILE: HOSTILE}})
    page = open_page(here)
    page.goto(here.url)
    expect(page.locator("#leases")).to_contain_text("onerror")
    hrefs = page.locator("tbody th a").evaluate_all("all => all.map(it => it.href)")
    for url in {f"{here.url}/target/service/checkout", *hrefs}:
        page.goto(url)
        expect(page.locator("main")).to_contain_text("onerror")
        assert page.locator("#pwned, main img, main script").count() == 0
    for path in ("/preview?kind=boost&hz=9&duration=1h&target=", "/preview?target=a&hz=1&kind="):
        page.goto(here.url + path + HOSTILE.replace("#", "%23"))
        assert page.locator("#pwned, main img, main script").count() == 0
    page.goto(f"{here.url}/preview?target=a&kind=boost&hz=9&duration=1h&reason={HOSTILE}")
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#leases")).to_contain_text("onerror")
    assert page.locator("#pwned, main img, main script").count() == 0


@contextmanager
def other_site(text: str) -> Iterator[str]:
    """A page of somebody else's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_another_site_can_neither_frame_it_nor_send_its_forms(here: Site, open_page: Open) -> None:
    page = open_page()
    page.goto(f"{here.url}/login")
    page.get_by_label("Token").fill(OPERATOR)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{here.url}/")
    fields = {"target": "a", "kind": "boost", "hz": "99", "duration": "10m"}
    inputs = "".join(f"<input name={name} value={value}>" for name, value in fields.items())
    form = f"<form method=post action={here.url}/leases>{inputs}<button>Win a prize</button></form>"
    with other_site(f"{form}<iframe src={here.url}/ title=it></iframe>") as url:
        page.goto(url)
        frame = page.frames[1]
        assert "Upshift" not in frame.content()
        page.get_by_role("button", name="Win a prize").click()
        page.wait_for_url(f"{here.url}/**")
    assert here.leases() == []
    page.goto(here.url)
    expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()


def test_it_says_since_when_redis_is_away_and_goes_on_when_it_is_back(
    here: Site, open_page: Open
) -> None:
    here.alert(service_name="checkout")
    page = open_page(here)
    page.goto(here.url)
    here.valkey.stop()
    link = page.locator("#link")
    expect(link).to_contain_text("Redis is away", timeout=40_000)
    expect(link).to_contain_text("Seen first at ")
    expect(link).to_contain_text("What is shown is from ")
    expect(page.locator("#leases")).to_contain_text("boost to 99 Hz")
    fresh = page.context.new_page()
    fresh.goto(here.url)
    expect(fresh.locator("#error")).to_contain_text("Seen first at ")
    here.valkey.start()
    expect(link).to_be_hidden(timeout=40_000)
    expect(fresh.locator("#leases")).to_contain_text("boost to 99 Hz", timeout=40_000)


def test_it_goes_on_with_a_restarted_controller(here: Site, open_page: Open) -> None:
    here.alert(service_name="checkout")
    page = open_page(here)
    page.goto(here.url)
    here.server.kill()
    expect(page.locator("#link")).to_contain_text("The controller is away", timeout=40_000)
    here.server.start()
    expect(page.locator("#link")).to_be_hidden(timeout=40_000)
    here.alert(service_name="cart")  # it hears news again
    expect(page.locator("#leases tbody tr")).to_have_count(2, timeout=40_000)


def test_of_10000_agents_it_shows_what_matters(here: Site, open_page: Open) -> None:
    for number in range(10):
        here.agents(f"service-{number}", 1000)
    here.agents("late", 1, state="failed", error="no such profiler")
    page = open_page(here)
    page.goto(here.url)
    expect(page.locator("#figures")).to_contain_text("10,001")
    expect(page.locator("#behind li")).to_have_count(1)
    expect(page.locator("#behind")).to_contain_text("service/late")
    assert page.locator("#targets tbody tr").count() <= MOST
    page.goto(f"{here.url}/target/fleet")
    expect(page.locator("#agents tbody tr").first).to_contain_text("no such profiler")
    assert page.locator("#agents tbody tr").count() <= MOST
