"""`alertmanager:` of upshift.yaml: who is asked, as whom, and how they are known."""

from __future__ import annotations

import ssl
from base64 import b64decode
from pathlib import Path

import pytest

from controller.sources.listing import Stub, of, row, serving
from security.certificates import Files
from upshift_controller.configuration import load
from upshift_controller.errors import StartRefused
from upshift_controller.sections.alertmanager import ClientTls


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
        scheme, pair = sent.split()
        assert (scheme, b64decode(pair).decode()) == ("Basic", "ann:p\u00e4ss:word")


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


def test_the_example_for_alertmanager_is_read() -> None:
    deploy = Path(__file__).parents[3] / "deploy"
    configuration = load(deploy / "alertmanager" / "upshift.yaml")
    assert configuration.alertmanager is not None
    assert len(configuration.alertmanager.urls) == 2


def test_paths_of_secrets_are_as_seen_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a token")
    text = "alertmanager: {urls: [http://am:9093/], token_file: token}\n"
    (tmp_path / "upshift.yaml").write_text(text)
    found = load(tmp_path / "upshift.yaml").alertmanager
    assert found is not None
    assert found.headers() == {"Authorization": "Bearer a token"}
    assert found.urls == ("http://am:9093",)


AM = "alertmanager: {urls: [http://am:9093], "


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alertmanager: {}\n", "1:15: urls is missing; for example urls: [http"),
        ("alertmanager: http://am:9093\n", "1:15: write it as {urls: [http://127.0.0.1:9093]"),
        ("alertmanager:\n  urls: []\n", "2:9: urls must not be empty"),
        ("alertmanager:\n  urls: [am:9093]\n", "2:10: entry 1 of urls must be a URL such as"),
        ("alertmanager: {urls: [http://]}\n", "1:23: entry 1 of urls must be a URL such as"),
        ("alertmanager: {urls: ['http://a:b']}\n", "1:23: entry 1 of urls must be a URL"),
        ("alertmanager: {urls: ['http://a?b']}\n", "1:23: entry 1 of urls must be a URL"),
        (
            "alertmanager: {urls: ['http://u:hunter2@a']}\n",
            "1:23: entry 1 of urls must not name",
        ),
        ("alertmanager: {urls: ['http://u:hunter2@a', 'http://u:hunter2@a']}\n", "a second time"),
        (f"{AM}receiver: ''}}\n", "1:50: receiver must be 1–256 characters"),
        (f"{AM}user: hunter2}}\n", "1:46: user needs password_file beside it"),
        (f"{AM}password_file: a}}\n", "password_file needs user beside it"),
        (f"{AM}user: a, password_file: b, token_file: c}}\n", "1:79: give either token_file or"),
        (f"{AM}tls: {{key: a}}}}\n", "key needs certificate beside it"),
        (f"{AM}tls: {{certificate: a}}}}\n", "certificate needs key beside it"),
        (f"{AM}tls: {{ca: nowhere.pem}}}}\n", "nowhere.pem: No such file"),
        (f"{AM}token_file: nowhere}}\n", "No such file"),
        (f"{AM}recevier: a}}\n", 'unknown field "recevier"; did you mean "receiver"?'),
        ("alertmanager: 5\n", "alertmanager must be a mapping"),
        ("alertmanager: {urls: {a: 1}, tls: [1], user: {}}\n", "urls must be a list"),
    ],
)
def test_a_bad_alertmanager_is_refused_with_the_place_and_no_secret(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "upshift.yaml").write_text(text)
    with pytest.raises(StartRefused) as refused:
        load(tmp_path / "upshift.yaml")
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)
