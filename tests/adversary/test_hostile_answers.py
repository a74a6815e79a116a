"""Whatever the texts of an answer say, the command shows them, and no terminal obeys them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from controller.command import Ended, Run, agent, runner
from controller.conftest import Served, alert
from upshift_agent.contract import is_plain

HOSTILE = "\n[error] forged\r\x1b[2J\x9b2J\u2028\u202e\x85\x7f\ud800"
#: Words that the command chooses by, and what it tells targets by.
CHOSEN = {"kind", "state"}


def spoiled(document: Any, key: str = "") -> Any:
    match document:
        case str() if key not in CHOSEN:
            return document + HOSTILE
        case list():
            return [spoiled(it, key) for it in document]
        case dict():
            return {name: spoiled(it, name) for name, it in document.items()}
    return document


@pytest.fixture
def hostile(served: Served) -> Iterator[str]:
    """A controller whose every text is hostile. Where /broken is asked, what it says is no HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            if "nested" in self.path:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"\\u001b":' + b"[" * 900 + b"]" * 900 + b"}")
                return
            if "broken" in self.path:
                self.wfile.write(b"\x1b[2J\x9b2J no HTTP\r\n")
                return
            size = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size) if size else None
            headers = {"Content-Type": "application/json"}
            asked = Request(f"{served.url}{self.path}", body, headers, method=self.command)
            try:
                with urlopen(asked, timeout=10) as answer:
                    status, said = answer.status, json.load(answer)
            except HTTPError as error:
                with error:
                    status, said = error.code, json.load(error)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(spoiled(said)).encode())

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # as the base class calls them

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def ask(
    hostile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    return runner(monkeypatch, capsys, hostile)


def check_plain(ended: Ended) -> None:
    for line in f"{ended.out}{ended.err}".split("\n"):
        assert is_plain(line), repr(line)
        assert not line.startswith("[error]")


def test_nothing_of_an_answer_is_obeyed_by_the_terminal(
    cli: Run, ask: Run, served: Served, tmp_path: Path
) -> None:
    attributes = {"deployment.environment.name": "production", "zone": f"a{HOSTILE[:-1]}"}
    with agent(served.redis_url, "hostile", attributes=attributes):
        cli("boost", "service/hostile", "--hz", "99", "--for", "1m", "--where", "zone=b")
        asked = [
            ("status",),
            ("status", "service/hostile"),
            ("status", "service/nobody-knows"),
            ("agents",),
            ("history",),
            ("explain", "-"),
            ("boost", "service/hostile", "--hz", "99", "--for", "1m"),
            ("cap", "service/hostile", "--hz", "9", "--for", "1m", "--where", "zone=b"),
            ("release", "boost/00000000"),
            ("release", "service/nobody-knows"),
            ("release", "service/hostile"),
            ("status", "--url", "http://127.0.0.1:1/broken"),
        ]
        for arguments in asked:
            ended = ask(*arguments, stdin=json.dumps(alert()).encode())
            check_plain(ended)
            assert "a defect" not in ended.err


def test_a_server_that_speaks_no_http_is_quoted_and_not_obeyed(ask: Run, hostile: str) -> None:
    for path in ("broken", "nested"):
        ended = ask("status", "--url", f"{hostile}/{path}")
        assert ended.code == 3
        check_plain(ended)


def test_what_an_operator_writes_is_made_clean(ask: Run, cli: Run) -> None:
    cap = ("cap", "service/clean", "--hz", "9", "--for", "1m")
    assert cli(*cap, "--reason", "two\nlines \udcff").code == 0
    assert "two" in cli("history", "service/clean").out
    for arguments in ((*cap, "--where", "zone=a\nb"), ("status", "service/a\nb")):
        ended = cli(*arguments)
        assert ended.code == 2
        check_plain(ended)


def test_a_file_whose_name_is_hostile_is_checked_and_named_plainly(
    offline: Run, tmp_path: Path
) -> None:
    for text in ("sampling: {default: 19}\n", "sampling: {default: x}\n"):
        file = tmp_path / f"rules{HOSTILE[:-1]}.yaml"
        file.write_text(text)
        check_plain(offline("check", str(file)))
