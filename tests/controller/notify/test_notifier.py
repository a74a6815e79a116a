"""Notices of controllers over a real Valkey, to real servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from controller.conftest import UNLIMITED, Start, alert, outcomes
from controller.notify.receiver import HANG, receiver
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused
from upshift_controller.notify import notifier

ABOUT = "[boost, refused, kill_switch]"
TOKEN = "canary-5f2b7c-token"


def settings(url: str, **more: str) -> str:
    fields = {"name": "on_call", "url": url, "about": ABOUT} | more
    said = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return f"notify: {{webhooks: [{{{said}}}]}}\n"


async def test_a_boost_a_refusal_and_a_kill_switch_are_told_in_order(start: Start) -> None:
    async with receiver() as hook:
        limits = "limits: {max_boosted_agents: 1}\n"
        async with start(settings(hook.url) + limits) as upshift:
            other = alert({"alertname": "HighCPU", "service": "cart"}, fingerprint="2")
            await upshift.notify(alert())
            assert outcomes(await upshift.notify(other)) == ["refused"]
            stop = {"target": "fleet", "kind": "cap", "hz": 0, "duration": "1m"}
            await upshift.ask("POST", "/api/v1/leases", json=stop)
            await upshift.ask("DELETE", "/api/v1/targets/service/checkout/leases?by=ann")
            await hook.hears(4)
            metrics = (await upshift.ask("GET", "/metrics")).body
    told = [(it.body["target"], it.body["about"], it.body["event"]) for it in hook.asked]
    assert told == [
        ("service/checkout", "boost", "granted"),
        ("service/cart", "refused", "refused"),
        ("fleet", "kill_switch", "granted"),
        ("service/checkout", "boost", "released"),
    ]
    assert hook.asked[-1].body["by"] == "ann"
    assert 'upshift_notices_total{destination="on_call",outcome="sent"}' in metrics


async def test_three_controllers_tell_once(start: Start) -> None:
    async with receiver() as hook, AsyncExitStack() as stack:
        three = [await stack.enter_async_context(start(settings(hook.url))) for _ in range(3)]
        await asyncio.gather(*(it.notify(alert()) for it in three for _ in range(5)))
        end = "/api/v1/targets/service/checkout/leases"
        await asyncio.gather(*(it.ask("DELETE", end) for it in three))
        await hook.hears(2)
        # What each has to tell is told in order, so nothing else is under way behind this.
        for number, it in enumerate(three):
            await it.notify(alert({"alertname": "HighCPU", "service": f"last{number}"}))
        await hook.hears(5)
    told = [it.body["event"] for it in hook.asked if it.body["target"] == "service/checkout"]
    assert told == ["granted", "released"]


async def test_who_hangs_is_in_no_leases_way(start: Start) -> None:
    async with receiver(HANG) as hook, start(settings(hook.url) + UNLIMITED) as upshift:
        for number in range(50):
            one = alert({"alertname": "HighCPU", "service": f"s{number}"}, fingerprint=f"{number}")
            assert outcomes(await upshift.notify(one)) == ["granted"]
        assert len(hook.asked) <= 1  # and the others wait behind it
        assert len(await upshift.history("service/s49")) == 1
        assert (await upshift.ask("GET", "/-/ready")).status == 200


async def test_what_waits_when_a_controller_ends_is_told_unless_nobody_answers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "LAST_S", 0.1)
    async with receiver(HANG) as hanging, start(settings(hanging.url)) as upshift:
        await upshift.notify(alert())
    monkeypatch.setattr(notifier, "LAST_S", 60)
    async with receiver() as hook, start(settings(hook.url) + UNLIMITED) as upshift:
        for number in range(20):
            one = alert({"alertname": "HighCPU", "service": f"s{number}"})
            assert outcomes(await upshift.notify(one)) == ["granted"]
    assert len(hook.asked) == 20


async def test_a_reload_sends_what_waits_to_where_it_says(start: Start, tmp_path: Path) -> None:
    async with receiver(HANG) as old, receiver() as new, start(settings(old.url)) as upshift:
        await upshift.notify(alert())
        await old.hears(1)
        (tmp_path / "upshift.yaml").write_text(settings(new.url))
        assert (await upshift.ask("POST", "/-/reload")).status == 200
        await new.hears(1)
    assert new.asked[0].body["id"] == old.asked[0].body["id"]


async def test_a_token_is_read_from_its_file_and_shown_nowhere(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    async with receiver() as hook:
        (tmp_path / "url").write_text(f"{hook.url}?key={TOKEN}\n")
        said = "notify: {webhooks: [{name: a, url_file: url, token_file: token, shape: slack}]}\n"
        async with start(said) as upshift:
            await upshift.notify(alert())
            await hook.hears(1)
            shown = [(await upshift.ask("GET", "/metrics")).body]
            shown.append(repr(upshift.controller.__dict__))
            shown.append(repr(load(tmp_path / "upshift.yaml")))
            (tmp_path / "url").write_text(f"ftp://{TOKEN}")
            answer = await upshift.ask("POST", "/-/reload")
            assert answer.status == 422
            shown.append(str(answer.body))
    (asked,) = hook.asked
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.query == [("key", TOKEN)]
    assert asked.body["text"].startswith("service/checkout: 100 Hz for 10m; ")
    shown += capsys.readouterr()
    assert not [it for it in shown if TOKEN in it]


NOTIFY = [
    ("{webhooks: [{name: a}]}", "give either url or url_file"),
    ("{webhooks: [{name: a, url: 'http://x', url_file: y}]}", "give either url or url_file"),
    ("{webhooks: [{name: a, url: 'ftp://canary'}]}", "url must be an address such as https://"),
    ('{webhooks: [{name: a, url: "http://x/canary\\n"}]}', "url must be an address such as"),
    ("{webhooks: [{name: a, url: 'http://u:canary@x'}]}", "url must hold no password"),
    ("{webhooks: [{name: a, url: 'http://x', shape: canary}]}", 'shape must be "json" or "slack"'),
    ("{webhooks: [{name: a, url: 'http://x', about: []}]}", "about must not be empty"),
    ("{webhooks: [{name: a, url: 'http://x'}, {name: a, url: 'http://x'}]}", 'name "a" is taken'),
    ("{grafana: [{url: 'http://x', token_file: y}, {url: 'http://x', token_file: y}]}", "is taken"),
    ("{grafana: [{url: 'http://x'}]}", "token_file is missing"),
    ("{grafana: [{url: 'http://x', token: canary}]}", 'unknown field "token"'),
    ("{link: 'https://x/{user}'}", "link may hold {target} and {lease}"),
    ("{link: 'javascript:canary'}", "link must be an address such as https://"),
    ("canary", "notify must be a mapping"),
    ("{grafana: [{url: 'http://x', token_file: nowhere}]}", "cannot read"),
    ("{grafana: [{url: 'http://x', token_file: empty}]}", "must hold one token or address"),
    ("{webhooks: [{name: a, url_file: two}]}", "must hold one token or address"),
    ("{webhooks: [{name: a, url_file: bytes}]}", "must hold one token or address"),
]


@pytest.mark.parametrize(("said", "fault"), NOTIFY)
def test_a_wrong_notify_is_refused_without_what_may_be_a_secret(
    tmp_path: Path, said: str, fault: str
) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "two").write_text("canary canary")
    (tmp_path / "bytes").write_bytes(b"canary\xff")
    (tmp_path / "upshift.yaml").write_text(f"notify: {said}\n")
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert fault in str(refused.value)
    assert "canary" not in str(refused.value)
