"""As whom Alertmanagers are asked, and how they are known."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp
import pytest

from controller.sources.listing import Stub, of, row, serving
from security.certificates import Files
from upshift_controller.access import ClientTls
from upshift_controller.errors import StartRefused


async def test_a_token_is_sent_and_read_again_each_time(tmp_path: Path) -> None:
    (token := tmp_path / "token").write_text("one\n")
    async with serving(Stub()) as stub:
        reader = of(stub, token_file=str(token))
        await reader.look()
        token.write_text("two\n")
        await reader.look()
        sent = [it.headers["Authorization"] for it in stub.sent]
        assert (sent[0], sent[-1]) == ("Bearer one", "Bearer two")
        token.unlink()
        count = len(stub.sent)
        await reader.look()
        assert len(stub.sent) == count, "not without it"
        assert "No such file" in reader.lists.problems()[0]


async def test_a_user_signs_in_with_a_password(tmp_path: Path) -> None:
    (password := tmp_path / "password").write_text("p\u00e4ss:word\n")
    async with serving(Stub()) as stub:
        await of(stub, user="ann", password_file=str(password)).look()
        sent = stub.sent[0].headers["Authorization"]
        assert aiohttp.BasicAuth.decode(sent, "utf-8") == aiohttp.BasicAuth("ann", "p\u00e4ss:word")


@pytest.mark.parametrize("held", ["", "\n", "two\nlines", "\x00", "\xff"])
def test_a_secret_that_is_none_is_refused_at_the_start(tmp_path: Path, held: str) -> None:
    (token := tmp_path / "token").write_bytes(held.encode("latin-1"))
    with pytest.raises(StartRefused, match="token") as refused:
        of(Stub(url="http://a"), token_file=str(token))
    assert not held.strip() or held not in str(refused.value)


async def test_alertmanager_is_known_by_its_certificate_and_we_by_ours(tmp_path: Path) -> None:
    files = Files(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files.path("ca.pem"))
    context.load_cert_chain(files.path("server.crt"), files.path("server.key"))
    context.verify_mode = ssl.CERT_REQUIRED
    ca = files.path("ca.pem")
    ours = {"certificate": files.path("client.crt"), "key": files.path("client.key")}
    async with serving(Stub([row()]), context) as stub:
        assert await of(stub, tls=ClientTls(ca=ca, **ours)).look() == [("0", "firing")]
        for wrong in (ClientTls(ca=ca), ClientTls(**ours), ClientTls()):
            reader = of(stub, tls=wrong)
            assert await reader.look() == []
            assert reader.lists.problems()


def test_a_certificate_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "nowhere.pem"):
        with pytest.raises(StartRefused, match=name):
            of(Stub(url="https://a"), tls=ClientTls(ca=str(tmp_path / name)))
