"""A web page in an operator's browser reaches a loopback controller, and moves nothing."""

from __future__ import annotations

import pytest

from controller.conftest import WEBHOOK, Running, Start, notification
from controller.web.test_auth import with_tokens

CAP = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "1m"}


def host_of(upshift: Running) -> str:
    return f"{upshift.client.host}:{upshift.client.port}"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9095", "127.0.0.1.evil.example"])
async def test_a_name_that_leads_here_by_dns_rebinding_is_refused(
    upshift: Running, host: str
) -> None:
    headers = {"Host": host}
    for method, path in (
        *(("GET", "/api/v1/targets"), ("GET", "/metrics"), ("POST", "/-/reload")),
        *(("POST", "/api/v1/leases"), ("DELETE", "/api/v1/targets/fleet/leases")),
        ("POST", WEBHOOK),
    ):
        body = CAP if "leases" in path else notification()
        answer = await upshift.ask(method, path, headers=headers, json=body)
        assert (answer.status, answer.body["type"]) == (403, "urn:upshift:problem:host"), path
    assert await upshift.leases("fleet") == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
async def test_a_request_of_another_site_is_refused(upshift: Running, origin: str) -> None:
    for method, path in (("POST", "/-/reload"), ("DELETE", "/api/v1/targets/fleet/leases")):
        answer = await upshift.ask(method, path, headers={"Origin": origin})
        assert (answer.status, answer.body["type"]) == (403, "urn:upshift:problem:origin")


async def test_our_own_page_and_all_names_of_loopback_are_served(upshift: Running) -> None:
    own = {"Origin": f"http://{host_of(upshift)}"}
    answer = await upshift.ask("POST", "/api/v1/leases", json=CAP, headers=own)
    assert answer.status == 201
    for host in ("localhost", "localhost:9095", "127.0.0.1:1", "127.1.2.3", "[::1]:9095", "[::1]"):
        assert (await upshift.ask("GET", "/api/v1/targets", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_what_a_form_can_send_is_refused(upshift: Running, content_type: str) -> None:
    """A browser sends these to other sites without asking them first."""
    for path in (WEBHOOK, "/api/v1/leases", "/api/v1/explain"):
        headers = {"Content-Type": content_type}
        answer = await upshift.ask("POST", path, data=b"{}", headers=headers)
        assert answer.status == 415


async def test_a_browser_that_asks_first_is_not_encouraged(upshift: Running) -> None:
    asks = {"Origin": "https://evil.example", "Access-Control-Request-Method": "DELETE"}
    answer = await upshift.ask("OPTIONS", "/api/v1/leases/cap/1", headers=asks)
    assert answer.status == 405
    assert not any(name.lower().startswith("access-control") for name in answer.headers)


async def test_with_tokens_any_name_is_served(start: Start, tmp_path) -> None:  # type: ignore[no-untyped-def]
    async with start(with_tokens(tmp_path)) as running:
        headers = {"Host": "upshift.example", "Authorization": "Bearer secret-of-viewer-0123456789"}
        assert (await running.ask("GET", "/api/v1/targets", headers=headers)).status == 200
