"""`upshift-agent exec`: an application that has no line of Upshift's has an agent all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.receiver import Receiver, receiving
from servers import RedisServer, eventually
from upshift_agent.contract import Keys, Status, decode_status
from upshift_agent.testing import FakeController
from upshift_host.cli.exec import FOLDER, environment
from upshift_host.cli.lend import lend
from upshift_host.config import load
from upshift_host.errors import StartRefused

AGENT = "redis: redis://127.0.0.1:6379\npyroscope: {url: 'http://127.0.0.1:4040', tenant: shop}\n"
BUSY = "import sys\nprint('ready', flush=True)\nwhile True: sum(range(1000))\n"
#: What an application sees of itself.
TELLS = """
import json, os, sys
import sitecustomize
print(json.dumps({
    "arguments": sys.argv[1:],
    "path": sys.path,
    "PYTHONPATH": os.environ.get("PYTHONPATH"),
    "customised": getattr(sitecustomize, "MINE", None),
    "threads": __import__("threading").active_count(),
}))
sys.exit(7)
"""


@pytest.fixture
def backend() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def run(
    script: Path, *arguments: str, pythonpath: str | None = None, **environ: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "upshift_host", "exec", "--service", "checkout", "--"]
    given = {**os.environ, **environ}
    if pythonpath is not None:
        ours = os.environ.get("PYTHONPATH", "")
        given["PYTHONPATH"] = os.pathsep.join(filter(None, (pythonpath, ours)))
    return subprocess.Popen(
        [*command, sys.executable, str(script), *arguments],
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def statuses(valkey: RedisServer) -> list[Status]:
    with valkey.client() as client:
        return [decode_status(it) for it in client.hvals(Keys().agents("service/checkout"))]


def test_an_application_without_a_line_of_upshifts_goes_up_and_comes_back(
    tmp_path: Path, valkey: RedisServer, backend: Receiver
) -> None:
    script = tmp_path / "app.py"
    script.write_text(BUSY)
    environ = {"UPSHIFT_REDIS_URL": valkey.url, "PYROSCOPE_SERVER_ADDRESS": backend.url}
    with run(script, **environ) as application:
        try:
            assert application.stdout is not None
            assert application.stdout.readline() == "ready\n"

            def applied() -> set[int]:
                return {
                    it.applied.profiles["cpu"].hz
                    for it in statuses(valkey)
                    if it.applied is not None
                }

            eventually(lambda: applied() == {19})
            (status,) = statuses(valkey)
            assert status.driver == "pyroscope"
            assert status.attributes["process.pid"] == str(application.pid)
            controller = FakeController(valkey.url)
            controller.boost("service/checkout", hz=100, for_s=3)
            eventually(lambda: applied() == {100})
            eventually(lambda: applied() == {19})
            controller.close()
        finally:
            application.kill()


def test_what_is_lent_to_an_application_that_has_nothing_of_upshift_is_enough(
    tmp_path: Path, valkey: RedisServer, backend: Receiver
) -> None:
    script, lent = tmp_path / "app.py", tmp_path / "lent to it"
    script.write_text(BUSY)
    for _ in range(2):  # an init container may be run again
        assert str(lent) in lend(lent)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(lent),
        "OTEL_SERVICE_NAME": "checkout",
        "UPSHIFT_REDIS_URL": valkey.url,
        "PYROSCOPE_SERVER_ADDRESS": backend.url,
    }
    bare = Path(sys.executable).resolve()  # of no environment: it finds the standard library only
    with subprocess.Popen([bare, "-s", script], env=environ, stderr=subprocess.PIPE) as application:
        try:

            def applied() -> list[int]:
                found = [it.applied for it in statuses(valkey)]
                return [it.profiles["cpu"].hz for it in found if it is not None]

            eventually(lambda: applied() == [19])
        finally:
            application.kill()


def test_where_nothing_can_be_lent_to_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartRefused, match=r"cannot copy into .*: .*Not a directory"):
        lend(tmp_path / "file/below")


def test_the_application_is_what_it_was_before(tmp_path: Path, valkey: RedisServer) -> None:
    script = tmp_path / "app.py"
    script.write_text(TELLS)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/sitecustomize.py").write_text("MINE = True\n")
    application = run(
        script,
        "--config",
        "its own.yaml",
        pythonpath=str(tmp_path / "own"),
        UPSHIFT_REDIS_URL=valkey.url,
    )
    output, errors = application.communicate(timeout=30)
    assert application.returncode == 7, errors
    told = json.loads(output)
    assert told["arguments"] == ["--config", "its own.yaml"]
    assert told["customised"]
    assert told["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / "own")
    assert str(FOLDER) not in told["path"] + [told["PYTHONPATH"]]
    assert told["threads"] > 1, "the agent's"


def test_an_agent_that_cannot_start_is_told_of_and_costs_the_application_nothing(
    tmp_path: Path,
) -> None:
    script = tmp_path / "app.py"
    script.write_text("print('runs')")
    application = run(script, UPSHIFT_REDIS_URL="redis://a", UPSHIFT_MAX_HZ="many")
    output, errors = application.communicate(timeout=30)
    assert (application.returncode, output) == (0, "runs\n")
    assert errors == (
        "upshift-agent exec: no agent in this process: "
        "UPSHIFT_MAX_HZ must be whole Hz, got 'many'\n"
    )


def told_to(*arguments: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "upshift_host", "exec", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_what_is_missing_is_told_before_the_application_begins() -> None:
    assert told_to() == (
        1,
        "upshift-agent: exec what? For example: upshift-agent exec -- python app.py\n",
    )
    assert told_to("--", "no-such-program")[1] == (
        "upshift-agent: no-such-program is no program that can be found\n"
    )
    assert "set UPSHIFT_REDIS_URL, or pass --config" in told_to("--", sys.executable)[1]
    assert "Pass --service NAME" in told_to("--", sys.executable, UPSHIFT_REDIS_URL="redis://a")[1]


def test_the_environment_goes_before_the_file_and_an_option_before_both(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(AGENT + "max_frequency: 200\n")
    configuration = load(path, {})
    found = environment({}, configuration, "checkout")
    assert {
        name: it for name, it in found.items() if not name.startswith(("PYTHON", "UPSHIFT_E"))
    } == {
        "UPSHIFT_REDIS_URL": "redis://127.0.0.1:6379",
        "UPSHIFT_NAMESPACE": "upshift",
        "UPSHIFT_BASELINE_HZ": "19",
        "UPSHIFT_MAX_HZ": "200",
        "UPSHIFT_DRIVER": "pyroscope",
        "PYROSCOPE_SERVER_ADDRESS": "http://127.0.0.1:4040",
        "PYROSCOPE_TENANT_ID": "shop",
        "OTEL_SERVICE_NAME": "checkout",
    }
    given = {"UPSHIFT_REDIS_URL": "redis://b", "OTEL_SERVICE_NAME": "a", "PYTHONPATH": "/mine"}
    found = environment(given, configuration, "checkout")
    assert found["UPSHIFT_REDIS_URL"] == "redis://b"
    assert found["OTEL_SERVICE_NAME"] == "checkout"
    assert found["PYTHONPATH"] == os.pathsep.join([str(FOLDER), "/mine"])
