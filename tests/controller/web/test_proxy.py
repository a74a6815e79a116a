"""Behind a proxy that signs people in, the history says who did it; from elsewhere nobody does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.conftest import Answer, Running, Start
from controller.limiting import RULES
from upshift_controller.configuration import load
from upshift_controller.errors import Refused, StartRefused
from upshift_controller.settings import AuthEntry
from upshift_controller.web.auth import Proxy, Tokens

BEHIND = RULES + "auth: {trusted_proxy: 127.0.0.0/8, roles: {ann: operator, '*': viewer}}\n"
ELSEWHERE = BEHIND.replace("127.0.0.0/8", "10.1.2.0/24")
CAP = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "1m", "by": "mallory"}
SECRET = "secret-of-the-operator"


async def ask(running: Running, *users: str, method: str = "GET", **more: Any) -> Answer:
    """A look at the history, by whoever the proxy says."""
    headers = [("X-Forwarded-User", it) for it in users] + more.pop("headers", [])
    return await running.ask(method, more.pop("path", "/api/v1/history"), headers=headers, **more)


async def cap(
    running: Running, *users: str, headers: list[tuple[str, str]] | None = None
) -> Answer:
    return await ask(
        running, *users, method="POST", path="/api/v1/leases", json=CAP, headers=headers or []
    )


def with_token(folder: Path, text: str, name: str = "robot") -> str:
    (folder / "token").write_text(SECRET)
    return text + f"tokens: [{{name: {name}, role: operator, file: token}}]\n"


async def test_the_name_that_the_proxy_says_is_in_the_history_and_the_lease(start: Start) -> None:
    async with start(BEHIND) as running:
        assert (await cap(running, "ann")).status == 201
        assert (await ask(running, "ann")).body["entries"][0]["by"] == "ann"
        (lease,) = (await ask(running, "ann", path="/api/v1/leases")).body["leases"]
        assert lease["because"]["by"] == "ann"
        named = await ask(running, "ann", method="DELETE", path=f"/api/v1/leases/{lease['id']}")
        assert named.status == 200
        assert (await ask(running, "ann")).body["entries"][0]["by"] == "ann"


async def test_each_user_has_the_role_of_their_name_and_others_that_of_the_star(
    start: Start,
) -> None:
    async with start(BEHIND) as running:
        assert (await ask(running, "bob")).status == 200
        refused = await cap(running, "bob")
        assert refused.status == 403
        assert "bob may not do this" in refused.body["detail"]
        assert "or that role in auth.roles" in refused.body["detail"]
    async with start(BEHIND.replace(", '*': viewer", "")) as running:
        assert (await ask(running, "bob")).status == 403


async def test_from_anywhere_else_the_header_is_ignored_and_that_is_said(
    start: Start, tmp_path: Path
) -> None:
    async with start(with_token(tmp_path, ELSEWHERE)) as running:
        refused = await cap(running, "ann")
        assert refused.status == 401
        assert "X-Forwarded-User counts from auth.trusted_proxy only" in refused.body["detail"]
        bearer = [("Authorization", f"Bearer {SECRET}")]
        assert (await cap(running, "ann", headers=bearer)).status == 201
        assert (await ask(running, headers=bearer)).body["entries"][0]["by"] == "robot"


async def test_behind_a_proxy_nobody_is_let_in_unnamed(start: Start) -> None:
    async with start(BEHIND) as running:
        assert (await cap(running)).status == 401
        assert (await running.ask("GET", "/-/healthy")).status == 200


@pytest.mark.parametrize(
    ("users", "says"),
    [
        (("ann", "ann"), "must name one user"),
        (("bob", "ann"), "must name one user"),
        (("bob, ann",), "must name one user"),
        (("",), "must be a name of 1–64 printable characters"),
        (("a\tb",), "must be a name"),
        (("a\u202eb",), "must be a name"),
        (("x" * 65,), "must be a name"),
        (("x" * 7000,), "must be a name"),
    ],
)
async def test_what_is_not_one_name_is_refused_and_changes_nothing(
    start: Start, users: tuple[str, ...], says: str
) -> None:
    async with start(BEHIND) as running:
        answer = await cap(running, *users)
        assert answer.status == 401
        assert says in answer.body["detail"]
        assert len(answer.body["detail"]) < 500
        assert (await ask(running, "ann", path="/api/v1/leases")).body["leases"] == []


async def test_a_name_of_broken_bytes_is_refused(start: Start) -> None:
    async with start(BEHIND) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.client.port)
        writer.write(
            b"GET /api/v1/history HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"X-Forwarded-User: ann\xff\xfe\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"must be a name of 1" in answer


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb", "a\r\nb", "\udcff", " ann", "ann ", "\x7f"])
def test_names_that_no_proxy_should_pass_on_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="must be a name"):
        proxy("127.0.0.1").caller([name])


async def test_a_name_that_a_token_has_is_refused(start: Start, tmp_path: Path) -> None:
    async with start(with_token(tmp_path, BEHIND, name="ann")) as running:
        answer = await ask(running, "ann")
        assert answer.status == 401
        assert "ann is a token's name" in answer.body["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], 403),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Origin", "https://evil.example")], 403),
        ([("Origin", "null")], 403),
        ([("Sec-Fetch-Site", "same-origin"), ("Origin", "https://upshift.example")], 201),
        ([("Origin", "https://upshift.example"), ("X-Forwarded-Host", "upshift.example")], 201),
    ],
)
async def test_another_sites_page_changes_nothing_in_the_name_of_who_is_signed_in(
    start: Start, headers: list[tuple[str, str]], status: int
) -> None:
    async with start(BEHIND) as running:
        assert (await cap(running, "ann", headers=headers)).status == status


async def test_a_reload_takes_the_proxy_out_of_trust(start: Start, tmp_path: Path) -> None:
    async with start(BEHIND) as running:
        assert (await ask(running, "ann")).status == 200
        (tmp_path / "upshift.yaml").write_text(ELSEWHERE)
        reloaded = await ask(running, "ann", method="POST", path="/-/reload")
        assert reloaded.status == 200
        assert (await ask(running, "ann")).status == 401


def proxy(network: str) -> Proxy:
    return Proxy.of(AuthEntry(trusted_proxy=network, roles={"ann": "operator"}))


@pytest.mark.parametrize(
    ("network", "address", "trusted"),
    [
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("fd00::/8", "fd00::1", True),
        ("fd00::/8", "10.0.0.1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        ("10.0.0.0/8", None, False),
        ("10.0.0.0/8", "/run/socket", False),
    ],
)
def test_the_proxy_is_known_by_its_address(
    network: str, address: str | None, trusted: bool
) -> None:
    assert proxy(network).is_at(address) == trusted


def test_a_certificate_for_the_webhook_counts_beside_a_header_from_elsewhere() -> None:
    tokens = Tokens(certificates=True, proxy=proxy("10.0.0.1"))
    certificate = {"subject": ((("commonName", "alertmanager"),),)}
    found = tokens.caller(None, certificate, "10.9.9.9", ["ann"])
    assert found is not None
    assert (found.name, found.roles) == ("alertmanager", {"webhook"})


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        ("{trusted_proxy: 10.0.0.0/8}", "roles is missing"),
        ("{trusted_proxy: 10.0.0.0/8, roles: {}}", "roles"),
        ("{roles: {ann: viewer}}", "trusted_proxy is missing"),
        ("{trusted_proxy: proxy.internal, roles: {a: viewer}}", "an address or a network such as"),
        ("{trusted_proxy: 10.1.2.3/8, roles: {a: viewer}}", "an address or a network such as"),
        ("{trusted_proxy: 0.0.0.0/0, roles: {a: viewer}}", "must not be everywhere"),
        ("{trusted_proxy: '::/0', roles: {a: viewer}}", "must not be everywhere"),
        ("{trusted_proxy: 10.0.0.1, roles: {a: root}}", "root"),
        ("{trusted_proxy: 10.0.0.1, user_header: 'X User', roles: {a: viewer}}", "user_header"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused_with_the_place(
    tmp_path: Path, auth: str, says: str
) -> None:
    (tmp_path / "upshift.yaml").write_text(f"auth: {auth}\n")
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert says in str(refused.value)
    assert "upshift.yaml:1:" in str(refused.value)


def test_a_bind_beyond_loopback_is_allowed_where_a_proxy_signs_people_in(tmp_path: Path) -> None:
    (tmp_path / "upshift.yaml").write_text(BEHIND)
    listen = "0.0.0.0:9095"
    assert load(tmp_path / "upshift.yaml", listen=listen).settings.listen == listen
