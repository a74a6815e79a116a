"""How the command is used and misused: exit codes, errors for people, help, completion."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from controller.command import NOWHERE, Run, start
from controller.conftest import Served
from upshift_controller import __version__

VERBS = (
    *("serve", "check", "status", "agents", "history", "watch", "explain"),
    *("boost", "pin", "cap", "release"),
)


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_has_an_example(offline: Run, verb: str) -> None:
    ended = offline(verb, "--help")
    assert ended.code == 0
    assert f"Example: upshift {verb}" in ended.out


@pytest.mark.parametrize(
    ("verb", "usage"),
    [
        ("boost", "boost [OPTIONS] TARGET"),
        ("status", "status [OPTIONS] [TARGET]"),
        ("release", "release [OPTIONS] LEASE|TARGET"),
        ("check", "check [OPTIONS] [FILE]..."),
    ],
)
def test_the_usage_line_has_brackets_where_something_is_optional(
    offline: Run, verb: str, usage: str
) -> None:
    assert f"Usage: upshift {usage} " in offline(verb, "--help").out


def test_the_help_and_the_error_give_the_same_bounds(offline: Run) -> None:
    said = offline("boost", "--help").out
    assert "1d at most" in said
    assert "1–1000" in said
    assert "1s–1d" in offline("boost", "service/x", "--hz", "99", "--for", "25h").err


@pytest.mark.parametrize("arguments", ["--help", "status --url http://127.0.0.1:1"])
def test_nobody_waits_for_a_library_that_is_of_no_use(arguments: str) -> None:
    script = (
        f"import sys; sys.argv[1:] = {arguments.split()}\n"
        "from upshift_controller.cli import main\n"
        "try: main()\n"
        "except SystemExit:\n"
        "    print(*{'aiohttp', 'asyncio', 'pydantic', 'redis', 'yaml'} & {*sys.modules})\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_the_version_is_told(offline: Run) -> None:
    ended = offline("--version")
    assert (ended.code, ended.out) == (0, f"upshift {__version__}\n")


def test_without_a_verb_it_says_what_there_is(offline: Run) -> None:
    ended = offline()
    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        ("boost checkout --hz 99 --for 10m", "service/NAME, node/NAME or fleet"),
        ("boost checkout --hz 99 --for 10m", "did you mean service/checkout?"),
        ("boost pod/x --hz 99 --for 10m", "service/NAME, node/NAME or fleet"),
        ("status checkout", "did you mean service/checkout?"),
        ("history service/", "service/NAME, node/NAME or fleet"),
        ("release checkout", "service/NAME, node/NAME or fleet"),
        ("boost service/x --hz 99 --for 10x", "90s, 10m or 1h30m"),
        ("boost service/x --hz 99 --for 10", "90s, 10m or 1h30m"),
        ("boost service/x --hz 99 --for 25h", "1s–1d"),
        ("boost service/x --hz 99 --for 999ms", "1s–1d"),
        ("boost service/x --hz 99", "'--for'"),
        ("boost service/x --for 10m", "'--hz'"),
        ("boost service/x --hz 1001 --for 10m", "1–1000"),
        ("pin service/x --hz fast --for 10m", "0–1000"),
        ("boost service/x --hz 0 --for 10m", "1–1000"),
        ("boost service/x --hz 0 --for 10m", "`upshift cap TARGET --hz 0`"),
        ("boost service/x --hz 99 --for 10m --where production", "KEY=VALUE"),
        ("boost service/x --hz 99 --for 10m --wait --wait-timeout soon", "90s, 10m or 1h30m"),
        ("bost", "'boost'"),
        ("status --ulr x", "--url)"),
        ("status --url nonsense", "http://127.0.0.1:9095"),
        ("status --token-file /no/such/file", "No such file"),
        ("explain /no/such/file", "No such file"),
        ("history --limit 0", "--limit"),
        ("serve --listen nonsense", "HOST:PORT"),
    ],
)
def test_misuse_is_exit_2_and_the_error_says_what_would_be_right(
    offline: Run, arguments: str, right: str
) -> None:
    ended = offline(*arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert right in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 3


@pytest.mark.parametrize(
    "arguments",
    [
        "status",
        "status service/x",
        "agents --json",
        "history",
        "watch --json",
        "explain -",
        "boost service/x --hz 99 --for 10m",
        "pin service/x --hz 99 --for 10m --wait",
        "cap service/x --hz 9 --for 10m",
        "release service/x",
    ],
)
def test_an_unreachable_controller_is_exit_3_and_named(offline: Run, arguments: str) -> None:
    ended = offline(*arguments.split())
    assert (ended.code, ended.out) == (3, "")
    assert NOWHERE in ended.err
    assert "Connection refused" in ended.err
    assert "upshift serve" in ended.err


class Greeter(BaseHTTPRequestHandler):
    """Some other server."""

    def do_GET(self) -> None:  # called so by the library
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")


def test_a_server_that_is_no_controller_is_told_from_one(offline: Run) -> None:
    with HTTPServer(("127.0.0.1", 0), Greeter) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ended = offline("status", "--url", f"http://127.0.0.1:{server.server_port}")
        thread.join()
    assert (ended.code, ended.out) == (3, "")
    assert "is no Upshift controller" in ended.err


class Redirector(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:  # called so by the library
        self.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()


def test_a_token_is_sent_to_the_controller_and_to_nobody_that_it_names(
    offline: Run, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("a secret")
    with HTTPServer(("127.0.0.1", 0), Redirector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        where = f"http://127.0.0.1:{server.server_port}"
        ended = offline("status", "--url", where, "--token-file", str(tmp_path / "token"))
        server.shutdown()
        thread.join()
    assert ended.code == 3
    assert "302 Found" in ended.err
    assert Redirector.asked == [("/api/v1/targets", "Bearer a secret")]


def completed(url: str, line: str) -> list[str]:
    words = line.split(" ")
    env = {
        "_UPSHIFT_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    with start(url, env=env) as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    return out.split()


def test_targets_and_leases_are_completed_from_the_controller(cli: Run, served: Served) -> None:
    lease = cli("pin", "service/completed", "--hz", "49", "--for", "1m").out.split(":")[0]
    assert completed(served.url, "upshift status service/comp") == ["service/completed"]
    assert completed(served.url, f"upshift release {lease[:8]}") == [lease]


def test_completion_is_quietly_empty_without_a_controller() -> None:
    assert completed(NOWHERE, "upshift status service/") == []
    assert completed(NOWHERE, "upshift release ") == []
