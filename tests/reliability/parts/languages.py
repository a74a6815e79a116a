"""The same rows for every SDK: the program whose agents a row disturbs, by language.

`UPSHIFT_TEST_LANGUAGE` (`python` unless set) names it. Each language has one small program, called
as the Python ones are, which writes the same JSON lines:

- `agent REDIS_URL SERVICE OUTPUT INSTANCE...` (`agent_process.py`): an agent for each instance,
  whose driver appends `{"instance", "at_s", "hz", "lease"}` to the file OUTPUT at each call, `at_s`
  of CLOCK_MONOTONIC. It reads UPSHIFT_SECRETS (with commas) and UPSHIFT_TEST_RESYNC_S (how often
  plans are read), and ends by SIGTERM.
- `application REDIS_URL KIND SLOW_S OUTPUT` (`../drivers/application_process.py`): one agent of
  `checkout`, whose driver appends `{"hz", "at_s"}` and then, unless it is told 19, does what KIND
  says: `raises` ("no permission to profile"), `hangs` for ever, else takes SLOW_S (`works`,
  `dawdles`). Without an agent for `none`. `{"ready": true}` once connected; at SIGTERM
  `{"stall_s", "call_s"}`: how long a thread that naps for 1 ms was kept from running at most, and
  the longest call of the agent's API.

Rows that change the C library's clock, or load it, or fork, are Python's alone.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from sdks import golang
from sdks.nodes import installed, node

_HERE = Path(__file__).parent
_SDKS = Path(__file__).parents[3] / "agents-sdk"
LANGUAGE = "UPSHIFT_TEST_LANGUAGE"


def _python(kind: str) -> tuple[str, ...]:
    files = {
        "agent": _HERE / "agent_process.py",
        "application": _HERE.parent / "drivers" / "application_process.py",
    }
    return sys.executable, str(files[kind])


@cache
def _built_go() -> str:
    folder = tempfile.mkdtemp(prefix="upshift-go-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = f"{folder}/instance"
    subprocess.run(
        [str(golang.go()), "build", "-o", program, "./internal/instance"],
        cwd=golang.FOLDER,
        env=golang.environment(),
        check=True,
    )
    return program


def _go(kind: str) -> tuple[str, ...]:
    return _built_go(), kind


def _java(kind: str) -> tuple[str, ...]:
    # Built by the tests of the SDK, `mvn package`: its jar, and its test classes.
    built = _SDKS / "java" / "target"
    path = f"{built}/upshift-agent.jar:{built}/test-classes"
    return "java", "-cp", path, "upshift.agent.programs.Instance", kind


@cache
def _node_sdk() -> Path:
    folder = tempfile.mkdtemp(prefix="upshift-node-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return installed(Path(folder))


def _node(kind: str) -> tuple[str, ...]:
    return str(node()), str(_node_sdk() / "test" / "instance.js"), kind


#: A further language: a function that returns the command to put before the arguments.
LANGUAGES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "python": _python,
    "go": _go,
    "java": _java,
    "node": _node,
}


def program(kind: str) -> tuple[str, ...]:
    """The command of an `agent` or `application` in the language that is tested."""
    return LANGUAGES[os.environ.get(LANGUAGE, "python")](kind)


def subscriptions(agents: int) -> int:
    """How many connections subscribe for the agents of one process: in Python they share one."""
    return 1 if os.environ.get(LANGUAGE, "python") == "python" else agents
