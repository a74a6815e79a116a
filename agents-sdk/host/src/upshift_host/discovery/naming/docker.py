"""Docker's own API, over its socket. It is read only, and asked one question."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from upshift_agent.attributes import SERVICE

SOCKET = Path("/var/run/docker.sock")
TIMEOUT_S = 5.0
MAX_ANSWER = 16 * 1024 * 1024  # bytes
#: What Compose and Swarm call the service that a container is of.
LABELS = ("com.docker.compose.service", "com.docker.swarm.service.name")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(str(self._path))


def ask(path: Path = SOCKET) -> dict[str, dict[str, str]]:
    """Attributes by container. Raise `OSError` where nobody answers, `ValueError` for nonsense."""
    with closing(_Connection(path)) as connection:
        try:
            connection.request("GET", "/containers/json")
            answer = connection.getresponse()
            body = answer.read(MAX_ANSWER)
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
    if answer.status != 200:
        raise OSError(f"it answers {answer.status} {answer.reason}")
    return names(json.loads(body))


def names(containers: Any) -> dict[str, dict[str, str]]:
    """Of what `/containers/json` says. Pure; what is not as Docker has it is left out."""
    found: dict[str, dict[str, str]] = {}
    for one in containers if isinstance(containers, list) else []:
        if not isinstance(one, Mapping) or not isinstance(one.get("Id"), str):
            continue
        labels, called = one.get("Labels"), one.get("Names")
        labels = labels if isinstance(labels, Mapping) else {}
        called = called if isinstance(called, list) else []
        called = [name.lstrip("/") for name in called if isinstance(name, str)]
        services = [labels[label] for label in LABELS if isinstance(labels.get(label), str)]
        said = {
            "container.name": next(iter(called), ""),
            "container.image.name": one.get("Image"),
            SERVICE: next(iter([*services, *called]), ""),
        }
        found[one["Id"]] = {
            name: value for name, value in said.items() if isinstance(value, str) and value
        }
    return found
