"""What the names of control groups say: the container, the pod, the systemd unit. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

# Docker, containerd, CRI-O and Podman name a group after the container, by its whole id.
_CONTAINER = re.compile(r"(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")
_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")
_UNIT = re.compile(r"/([^/]+\.service)(?=/|$)")


@dataclass(frozen=True, slots=True)
class Placed:
    """container: its whole id. pod: its Kubernetes uid. unit: the innermost systemd service."""

    container: str = ""
    pod: str = ""
    unit: str = ""


def place(cgroups: Iterable[str]) -> Placed:
    """cgroups: paths, one for each hierarchy."""
    container = pod = unit = ""
    for path in cgroups:
        if found := _CONTAINER.findall(path):
            container = container or found[-1]
        if found := _POD.findall(path):
            pod = pod or found[-1].replace("_", "-")
        if found := _UNIT.findall(path):
            unit = unit or _unescaped(found[-1])
    return Placed(container, pod, unit)


def _unescaped(unit: str) -> str:
    """systemd writes `a\\x2db.service` for a group of `a-b.service`."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), unit)
