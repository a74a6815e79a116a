"""Applications with an agent, as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers import HttpServer, free_port

APPLICATION = """
import os, sys, time
from upshift_agent import Agent
URL = {url!r}
def until(check):
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)
asked = []
agent = Agent(redis_url=URL, service="checkout", driver=lambda decision: asked.append(decision.hz))
"""


def run(
    url: str, script: str, *, timeout_s: float = 40, stderr_says: str = "no connection to "
) -> tuple[str, float]:
    """Run an application to its end: what it printed, and how long it took from `print("end")`.

    It must end well, with nothing on stderr but the one line about an outage.
    """
    application = subprocess.Popen(
        [sys.executable, "-c", APPLICATION.format(url=url) + script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert application.stdout is not None
    lines = []
    try:
        for line in application.stdout:
            lines.append(line)
            if line == "end\n":
                break
        ended = time.monotonic()
        output, errors = application.communicate(timeout=timeout_s)
        took_s = time.monotonic() - ended
    finally:
        application.kill()
    expected = ("no connection to ", stderr_says)
    noise = [line for line in errors.splitlines() if not any(it in line for it in expected)]
    assert (application.returncode, noise) == (0, []), errors
    return "".join(lines) + output, took_s


@contextmanager
def gunicorn(
    folder: Path, url: str, *, workers: int, preload: bool, hook: str = ""
) -> Iterator[HttpServer]:
    """An application under gunicorn that answers with the Hz its worker was told last.

    hook: the function in gunicorn's configuration that starts the agent; else the application does.
    """
    start = "agent.start()\n"
    hooks = f"def {hook}:\n    from shop import agent\n    {start}" if hook else ""
    (folder / "hooks.py").write_text(hooks)
    (folder / "shop.py").write_text(
        APPLICATION.format(url=url)
        + ("" if hook else start)
        + """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str((asked or [0])[-1]).encode()]
"""
    )
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", f"--workers={workers}"]
    command += [f"--bind=127.0.0.1:{port}", f"--chdir={folder}", f"--config={folder}/hooks.py"]
    command += ["--preload"] if preload else []
    command += ["--no-control-socket"] if has_control_socket() else []
    server = HttpServer([*command, "shop:app"], port, folder / "log")
    server.start(lambda: server.get("/"))
    try:
        yield server
    finally:
        server.stop()


def has_control_socket() -> bool:
    """Newer gunicorn opens one in the user's home, which no test needs."""
    from gunicorn.config import KNOWN_SETTINGS

    return any(setting.name == "control_socket_disable" for setting in KNOWN_SETTINGS)
