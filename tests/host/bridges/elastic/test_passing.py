"""What passes through the Elastic bridge, untouched."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from yarl import URL

from host.bridges.conftest import soon
from host.bridges.elastic import apm_server
from host.bridges.elastic.apm_server import ApmServer


@pytest.mark.parametrize("body", [b"[]", b"\xff", b"[" * 99_999, b'"a"'])
async def test_settings_that_are_none_pass_through_as_they_are(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch, body: bytes,
) -> None:  # fmt: skip
    # In that module alone: pytest itself needs the real one.
    said = SimpleNamespace(dumps=lambda *_, **__: body.decode("latin-1"), loads=json.loads)
    monkeypatch.setattr(apm_server, "json", said)
    monkeypatch.setattr(server, "etag", lambda: '"e"')
    async with session.get(f"{elastic[1]}/config/v1/agents?service.name=a") as answer:
        assert (answer.status, await answer.read()) == (200, body.decode("latin-1").encode())


async def test_all_else_passes_through_as_it_comes_in_both_directions(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession
) -> None:
    answered: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        """Each when the one before is there: nothing is held back."""
        for number in range(3):
            yield b"out %d" % number
            await soon(lambda number=number: b"out %d" % number in server.pieces)

    url = URL(f"{elastic[1]}/pieces?a=%2F&b=1", encoded=True)
    async with (
        aiohttp.ClientSession(auto_decompress=False) as raw,
        raw.post(url, data=pieces()) as answer,
    ):
        assert answer.headers["Content-Encoding"] == "gzip"
        async for chunk in answer.content.iter_any():
            answered.append(chunk)
            server.pieces.append(chunk)
    assert answered == [b"piece 0", b"piece 1", b"piece 2"]
    assert server.requests[-1].path == "/pieces?a=%2F&b=1"


async def test_what_the_server_says_to_one_goes_to_no_other(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{elastic[1]}/one") as answer:
        assert "one-agent" in answer.headers["Set-Cookie"]
    async with aiohttp.ClientSession() as other, other.get(f"{elastic[1]}/two"):
        assert "Cookie" not in server.requests[-1].headers


async def test_paths_that_are_none_lead_nowhere(
    elastic: tuple[Any, str], server: ApmServer
) -> None:
    host, port = elastic[1].removeprefix("http://").split(":")
    for target in ("*", "http://elsewhere.invalid/x", "//elsewhere.invalid/x", "/a b", "/\xff"):
        reader, writer = await asyncio.open_connection(host, int(port))
        request = f"OPTIONS {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("latin-1"))
        status = (await reader.readline()).split()[1]
        assert status in (b"202", b"400", b"404", b"501"), (target, status)
        writer.close()
    assert {it.path for it in server.requests} <= {"/x", "//elsewhere.invalid/x"}


async def test_packed_events_are_not_touched_and_their_length_is_kept(
    elastic: tuple[Any, str], server: ApmServer, session: aiohttp.ClientSession
) -> None:
    body = zlib.compress(b'{"metadata": {}}\n' * 1000)
    headers = {"Content-Encoding": "deflate", "Content-Type": "application/x-ndjson"}
    url = f"{elastic[1]}/intake/v2/events?flushed=true"
    async with session.post(url, data=body, headers=headers) as answer:
        assert (answer.status, answer.headers["Accepted"]) == (202, "yes")
    sent = server.requests[-1]
    assert (sent.path, sent.body) == ("/intake/v2/events?flushed=true", body)
    assert sent.headers["Content-Length"] == str(len(body))
    assert {key: sent.headers[key] for key in headers} == headers
    async with session.get(f"{elastic[1]}/") as answer:
        assert (await answer.json())["version"] == "8.15.0"
    async with session.head(f"{elastic[1]}/anything") as answer:
        assert answer.status == 202
    server.stop()
    async with session.post(url, data=body) as answer:
        assert answer.status == 503
        assert "does not answer" in (await answer.json())["error"]
