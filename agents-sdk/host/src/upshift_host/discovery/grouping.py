"""Processes → workloads: which of them make one instance of a service. Pure.

An instance is a container, or a systemd unit that `workloads:` names, or else a process with all of
its descendants that are the same service's (a server that forks its workers). Of an instance each
language is a workload of its own, for which there are profilers or not; where there is another one,
what is native counts as a helper.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upshift_agent.attributes import SERVICE
from upshift_agent.contract import HOST, INSTANCE, K8S_NODE, POD, one_line

from ..workload import LANGUAGES, Language, Process, Workload
from .facts import Facts
from .identify import Identity

CONTAINER = "container.id"
#: They start the others, and wait.
WRAPPERS = frozenset(
    (
        *("ash", "bash", "busybox", "catatonit", "dash", "docker-init", "dumb-init", "env"),
        *("nohup", "runsv", "s6-supervise", "s6-svscan", "sh", "su", "sudo", "timeout", "tini"),
        "zsh",
    )
)
MAX_ATTRIBUTES = 48
MAX_VALUE = 256  # characters of an attribute, or of its name

#: What stays the same while the processes of a workload come and go.
Key = tuple[Identity, str, Language]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """host: its name. in_kubernetes: which calls it a node of that name. attributes: for all."""

    host: str
    in_kubernetes: bool
    attributes: Mapping[str, str]


def group(
    facts: Mapping[int, Facts],
    identities: Mapping[int, Identity],
    language_of: Callable[[Facts], Language],
    attributes_of: Callable[[Identity, str, str], Mapping[str, str] | None],
) -> dict[Key, Workload]:
    """language_of: asked of each process that has an identity, and of no other. attributes_of: as
    `attributes` says, of its container's id and its instance; None for one that does not matter."""
    instances: dict[tuple[Identity, str], dict[Language, list[Facts]]] = {}
    for pid, identity in identities.items():
        one = facts[pid]
        if os.path.basename(one.exe) in WRAPPERS:
            continue
        place = _instance(pid, facts, identities)
        languages = instances.setdefault((identity, place), {})
        languages.setdefault(language_of(one), []).append(one)
    found = {}
    for (identity, place), languages in instances.items():
        for language in LANGUAGES:
            if language not in languages or (language == "native" and len(languages) > 1):
                continue
            members = sorted(languages[language], key=lambda it: it.process.start_ticks)
            its = attributes_of(identity, members[0].placed.container, place)
            if its is None:
                continue
            found[identity, place, language] = Workload(
                attributes=its,
                language=language,
                processes=tuple(it.process for it in members),
            )
    return found


def _instance(pid: int, facts: Mapping[int, Facts], identities: Mapping[int, Identity]) -> str:
    """The name of the instance that a process is of, unique on this host."""
    identity, one = identities[pid], facts[pid]
    if one.placed.container:
        return one.placed.container
    if identity.by_unit and one.placed.unit:
        return one.placed.unit
    seen = {pid}
    while one.parent not in seen and identities.get(one.parent) == identity:
        seen.add(one.parent)
        one = facts[one.parent]
    return _of_process(one.process)


def _of_process(process: Process) -> str:
    return f"{process.pid}-{process.start_ticks}"


def attributes(identity: Identity, container: str, place: str, node: Node) -> dict[str, str]:
    """Of an instance, which `place` names. container: its whole id, or empty."""
    found = {**node.attributes, **dict(identity.attributes), HOST: node.host}
    found.pop(K8S_NODE, None)
    if node.in_kubernetes or POD in found:
        found[K8S_NODE] = node.host  # or a pod's name would make it an agent of no node
    if container:
        found.setdefault(CONTAINER, container)
    own = found.get(POD) or container[:12] or f"{node.host}-{place}"
    found.setdefault(INSTANCE, own)
    # A process says what it likes, and statuses have an end. A cap on the node reaches it anyway.
    own_names = (SERVICE, INSTANCE, HOST, K8S_NODE)
    ours = {name: found.pop(name) for name in own_names if name in found}
    theirs = list(found.items())[:MAX_ATTRIBUTES]
    return {
        one_line(name, MAX_VALUE): one_line(value, MAX_VALUE)
        for name, value in [*ours.items(), *theirs]
    }
