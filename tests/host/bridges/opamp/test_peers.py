"""The OpAMP bridge, with supervisors that are strangers, hostile, malformed or many."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import pytest
import trustme
from opentelemetry._opamp.proto import opamp_pb2 as pb

from host.bridges.conftest import Join, StartBridge, soon
from host.bridges.opamp.standin import StandIn
from host.bridges.process import applied, statuses
from servers import RedisServer
from upshift_agent.testing import FakeController
from upshift_host.bridges.opamp import server

TARGET = "service/checkout"


async def test_only_who_has_a_token_gets_in(
    start: StartBridge, join: Join, tmp_path: Any, valkey: RedisServer
) -> None:
    (tmp_path / "tokens").write_text("old\nnew\n")
    bridge, url = await start("opamp", "  token_file: tokens\n")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic new"}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await join(url, headers=headers)
        assert refused.value.status == 401
    await join(url, headers={"Authorization": "Bearer new"})
    await soon(lambda: applied(valkey, TARGET) == [19])
    assert bridge.counts()["turned_away"] == 3


async def test_tls_with_certificates_of_supervisors(
    start: StartBridge, join: Join, tmp_path: Any, valkey: RedisServer
) -> None:
    ca, theirs = trustme.CA(), trustme.CA()
    ours = ca.issue_cert("127.0.0.1")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    theirs.cert_pem.write_to_path(tmp_path / "ca.pem")
    _, url = await start(
        "opamp", "  tls: {certificate: cert.pem, key: key.pem, client_ca: ca.pem}\n"
    )
    context = ssl.create_default_context()
    ca.configure_trust(context)
    with pytest.raises((aiohttp.ClientError, OSError)):
        await join(url, ssl=context)
    theirs.issue_cert("supervisor").configure_cert(context)
    await join(url, ssl=context)
    await soon(lambda: applied(valkey, TARGET) == [19])


async def test_what_is_no_opamp_is_refused_and_the_next_supervisor_served(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    bridge, url = await start("opamp")
    good = await join(url)
    await good.raw(b"\0\xff\xff\xff")
    await soon(lambda: good.errors == ["a protobuf message that is cut off"])
    for bad in (b"", b"\0", b"\xff" * 100, b"\0\x0a\x03abc", b"\0" + b"\x20\x01" * 30_000):
        peer = await join(url, uid=b"short")
        await peer.raw(bad)
        await soon(lambda peer=peer: peer.closed is not None)
    big = await join(url, service="big")
    await big.raw(b"\0" * (server.MAX_MESSAGE + 1))
    await soon(lambda: big.closed == aiohttp.WSCloseCode.MESSAGE_TOO_BIG)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/opamp") as answer:
        assert answer.status == 426
    await soon(lambda: applied(valkey, TARGET) == [19])
    assert bridge.counts()["refused"] >= 5


async def test_hostile_names_become_one_plain_line_and_no_name_no_agent(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    bridge, url = await start("opamp")
    await join(url, service="a\n\x1b[2J‮b" + "x" * 5_000, attributes={"k" * 999: "v" * 99_999})
    nobody = await join(url, service="")
    await soon(lambda: len(bridge.agents) == 1)
    with valkey.client() as client:
        (key,) = await soon(lambda: client.keys("upshift:v1:{service/*:agents"))
    assert key.startswith("upshift:v1:{service/a%20%EF%BF%BD[2J".replace("[", "%5B"))
    assert nobody.configs == []


async def test_two_that_say_they_are_the_same_are_one_the_newer(
    start: StartBridge, join: Join, valkey: RedisServer
) -> None:
    bridge, url = await start("opamp")
    former = await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    newer = await join(url, uid=former.uid)
    await soon(lambda: former.closed is not None)
    await soon(lambda: newer.numbers == [19])
    assert len(bridge.agents) == 1


async def test_one_that_is_somebody_else_by_now_follows_that_ones_plans(
    start: StartBridge, join: Join, valkey: RedisServer, controller: FakeController
) -> None:
    bridge, url = await start("opamp")
    peer = await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    peer.service = "cart"
    controller.boost("service/cart", hz=100, for_s=600)
    await peer.send(peer.everything())
    await soon(lambda: applied(valkey, "service/cart") == [100])
    await soon(lambda: statuses(valkey, TARGET) == [])
    assert (peer.numbers[-1], len(bridge.agents)) == (100, 1)


async def test_two_hundred_at_once_and_again_after_all_have_lost_their_connection(
    start: StartBridge, valkey: RedisServer, controller: FakeController
) -> None:
    bridge, url = await start("opamp", "  most: 200\n")
    peers = [StandIn(f"{url.replace('http', 'ws')}/v1/opamp") for _ in range(200)]
    await asyncio.gather(*(it.connect() for it in peers))
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await StandIn(peers[0].url).connect()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "30")
    await soon(lambda: all(it.effective == 19 for it in peers), within_s=60)
    for _ in range(2):
        await asyncio.gather(*(it.close() for it in peers))
        await asyncio.gather(*(it.connect() for it in peers))
    controller.boost(TARGET, hz=100, for_s=600)
    await soon(lambda: all(it.effective == 100 for it in peers), within_s=60)
    await soon(lambda: applied(valkey, TARGET) == [100] * 200, within_s=60)
    assert len(bridge.agents) == 200
    await asyncio.gather(*(it.leave() for it in peers))


async def test_one_that_describes_itself_later_is_asked_to(
    start: StartBridge, join: Join, valkey: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await start("opamp")
    whole = StandIn.everything
    said: list[int] = []

    def little(peer: StandIn) -> pb.AgentToServer:
        said.append(1)
        return whole(peer) if len(said) > 1 else pb.AgentToServer(instance_uid=peer.uid)

    monkeypatch.setattr(StandIn, "everything", little)
    await join(url)
    await soon(lambda: applied(valkey, TARGET) == [19])
    assert len(said) == 2
