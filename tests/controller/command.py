"""The `upshift` command as people run it, and a controller for it to talk to."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from servers import eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys, Profile, service_target
from upshift_agent.testing import RecordingDriver
from upshift_controller.cli import main

#: Nobody listens there: the port is reserved, and ours to bind only as root.
NOWHERE = "http://127.0.0.1:1"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, which must be one JSON document on one line."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Run = Callable[..., Ended]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> Run:
    """Run the command in this process, which is quick; only its process is not its own."""

    def run(*arguments: str, stdin: bytes = b"") -> Ended:
        capsys.readouterr()
        monkeypatch.setenv("UPSHIFT_URL", url)
        monkeypatch.setattr(sys, "argv", ["upshift", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return run


def start(url: str, *arguments: str, env: Mapping[str, str] = {}) -> subprocess.Popen[str]:
    """Run the command as a process of its own, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "upshift_controller", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "UPSHIFT_URL": url, "PYTHONUNBUFFERED": "1", **env},
    )


@contextmanager
def agent(
    redis_url: str, service: str, *, profiles: tuple[Profile, ...] = ("cpu",), **options: Any
) -> Iterator[RecordingDriver]:
    """A real agent of a service, whose driver does what a test wants."""
    driver, statuses = RecordingDriver(profiles=profiles), Keys().agents(service_target(service))
    with Redis.from_url(redis_url) as client:
        others = client.hlen(statuses)
        with Agent(redis_url=redis_url, service=service, driver=driver, **options):
            eventually(lambda: client.hlen(statuses) > others)
            try:
                yield driver
            finally:
                driver.returns.set()
