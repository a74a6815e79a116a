"""Promise 7: closed by default, and each role does its own and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.conftest import Start, notification
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused

CASES = [
    ("POST", "/api/v1/webhook/alertmanager", "webhook"),
    ("GET", "/api/v1/targets", "viewer"),
    ("GET", "/api/v1/agents", "viewer"),
    ("GET", "/api/v1/history", "viewer"),
    ("GET", "/metrics", "viewer"),
    ("POST", "/api/v1/leases", "operator"),
    ("DELETE", "/api/v1/leases/cap/1", "operator"),
    ("DELETE", "/api/v1/targets/fleet/leases", "operator"),
    ("POST", "/-/reload", "operator"),
]
ALLOWED = {
    "webhook": {"webhook"},
    "viewer": {"viewer"},
    "operator": {"webhook", "viewer", "operator"},
}


def with_tokens(folder: Path) -> str:
    rows = []
    for role in ALLOWED:
        (folder / role).write_text(f"secret-of-{role}-0123456789\n")
        rows.append(f"  - {{name: the-{role}, role: {role}, file: {role}}}")
    return "tokens:\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(("method", "path", "role"), CASES)
async def test_each_role_does_its_own_and_no_more(
    start: Start, tmp_path: Path, method: str, path: str, role: str
) -> None:
    async with start(with_tokens(tmp_path)) as running:
        for held, may in ALLOWED.items():
            headers = {"Authorization": f"Bearer secret-of-{held}-0123456789"}
            answer = await running.ask(method, path, headers=headers)
            assert (answer.status == 403) == (role not in may), held
            if answer.status == 403:
                assert f"the-{held} may not do this" in answer.body["detail"]
                assert f"role {role}" in answer.body["detail"]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic secret-of-operator-0123456789",
     "secret-of-operator-0123456789", "Bearer secret-of-operator-012345678"],
)  # fmt: skip
async def test_nobody_gets_in_without_a_token(
    start: Start, tmp_path: Path, header: str | None
) -> None:
    async with start(with_tokens(tmp_path)) as running:
        headers = {} if header is None else {"Authorization": header}
        for method, path, _ in CASES:
            answer = await running.ask(method, path, headers=headers, json=notification())
            assert answer.status == 401, path
        assert running.redis.keys("*checkout*") == []
        for path in ("/-/healthy", "/-/ready", "/api/v1/openapi.json"):
            assert (await running.ask("GET", path, headers=headers)).status == 200


async def test_the_history_has_the_tokens_name_whatever_the_request_claims(
    start: Start, tmp_path: Path
) -> None:
    async with start(with_tokens(tmp_path)) as running:
        headers = {"Authorization": "Bearer secret-of-operator-0123456789"}
        body = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "1m", "by": "mallory"}
        await running.ask("POST", "/api/v1/leases", json=body, headers=headers)
        history = await running.ask("GET", "/api/v1/history", headers=headers)
        assert history.body["entries"][0]["by"] == "the-operator"


@pytest.mark.parametrize("listen", ["0.0.0.0:9095", ":9095", "[::]:9095", "10.1.2.3:9095", "h:1"])
def test_any_bind_but_loopback_needs_tokens(listen: str, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="no tokens are set: add `tokens:`"):
        load(None, listen=listen)
    config = tmp_path / "upshift.yaml"
    config.write_text(with_tokens(tmp_path))
    assert load(config, listen=listen).settings.listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:9095", "localhost:0", "[::1]:1", "127.9.9.9:1"])
def test_loopback_needs_none(listen: str) -> None:
    assert load(None, listen=listen).tokens.none


@pytest.mark.parametrize("listen", ["9095", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "a:b"])
def test_a_listen_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(StartRefused, match="listen must be HOST:PORT"):
        load(None, listen=listen)


def test_a_short_or_missing_token_is_refused_with_its_file(tmp_path: Path) -> None:
    config = tmp_path / "upshift.yaml"
    config.write_text("tokens: [{name: a, role: viewer, file: a}]")
    with pytest.raises(StartRefused, match=r"cannot read .*a: No such file"):
        load(config)
    (tmp_path / "a").write_text("short")
    with pytest.raises(StartRefused, match="at least 16 bytes, has 5"):
        load(config)


async def test_tokens_are_changed_without_a_gap(start: Start, tmp_path: Path) -> None:
    """Several of one role are good at the same time, and a reload takes them up and away."""

    def rows(*names: str) -> str:
        for name in names:
            (tmp_path / name).write_text(f"token-of-{name}-0123456789")
        listed = ", ".join(f"{{name: {name}, role: operator, file: {name}}}" for name in names)
        return f"tokens: [{listed}]\n"

    async with start(rows("ann")) as running:

        async def status(name: str) -> int:
            headers = {"Authorization": f"Bearer token-of-{name}-0123456789"}
            return (await running.ask("GET", "/api/v1/targets", headers=headers)).status

        assert [await status("ann"), await status("bob")] == [200, 401]
        (tmp_path / "upshift.yaml").write_text(rows("ann", "bob"))
        await running.controller.reload()
        assert [await status("ann"), await status("bob")] == [200, 200]
        (tmp_path / "upshift.yaml").write_text(rows("bob"))
        await running.controller.reload()
        assert [await status("ann"), await status("bob")] == [401, 200]
        (tmp_path / "upshift.yaml").write_text("listen: 127.0.0.1:0")
        await running.controller.reload()
        assert await status("bob") == 200


async def test_a_reload_cannot_open_a_controller_that_others_can_reach(
    start: Start, tmp_path: Path
) -> None:
    """A new `listen` takes a restart, so it must not excuse the tokens that are gone."""
    tokens = "listen: 0.0.0.0:9095\n" + with_tokens(tmp_path)
    async with start(tokens) as running:
        (tmp_path / "upshift.yaml").write_text("listen: 127.0.0.1:9095\n")
        with pytest.raises(StartRefused, match=r"0\.0\.0\.0:9095 can be reached by others"):
            await running.controller.reload()
        assert (await running.ask("GET", "/api/v1/targets")).status == 401
