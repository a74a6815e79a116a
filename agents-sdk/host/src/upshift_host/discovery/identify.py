"""Whose a process is: the attributes that name its service, and where they were found. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from upshift_agent.attributes import SERVICE, from_environment
from upshift_agent.contract import canonical, check_target, service_target
from upshift_agent.contract.errors import ConfigurationError, WireError

from ..config import WorkloadEntry
from .facts import Facts

#: Of a container, by its whole id; what asks Docker for names fills it in.
Names = Mapping[str, Mapping[str, str]]

#: Command lines, of 4 KiB at most, and environments: those that there are, and come again.
REMEMBERED = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """attributes: `service.name` among them, sorted. entry: its place in `workloads:`, None for
    what the process or its container says itself. by_unit: all of a systemd unit are one."""

    attributes: tuple[tuple[str, str], ...]
    entry: int | None = None
    by_unit: bool = False


class Entries:
    """`workloads:`, in order. It remembers which patterns are found in which command line."""

    def __init__(self, entries: Sequence[WorkloadEntry]) -> None:
        self._entries = entries
        self._by_command = lru_cache(REMEMBERED)(self._with_command)

    def first(
        self, facts: Facts, listening: Mapping[int, frozenset[int]]
    ) -> tuple[int, WorkloadEntry] | None:
        """The place of the first that fits, and it. listening: pids by port."""
        for place in self._by_command(facts.command):
            entry = self._entries[place]
            if entry.unit is not None and facts.placed.unit != entry.unit:
                continue
            pid = facts.process.pid
            if entry.port is None or pid in listening.get(entry.port, frozenset()):
                return place, entry
        return None

    def _with_command(self, command: str) -> tuple[int, ...]:
        return tuple(
            place
            for place, entry in enumerate(self._entries)
            if entry.command is None or entry.command(command)
        )


def identify(
    facts: Mapping[int, Facts],
    entries: Entries,
    *,
    listening: Mapping[int, frozenset[int]],
    names: Names,
    from_environment: bool,
) -> dict[int, Identity]:
    """By pid, for those processes that anything names.

    listening: pids by port. names: attributes by container.

    An entry that fits the process itself comes first; then what its own environment says, unless
    that is its parent's too; then the entry that fits an ancestor; then the environment; then its
    container's name.
    """
    found: dict[int, Identity | None] = {}

    def of(pid: int) -> Identity | None:
        chain: list[Facts] = []
        while pid not in found and (it := facts.get(pid)) is not None:
            found[pid] = None  # a parent of itself there is none, but a pid may be given anew
            chain.append(it)
            pid = it.parent
        above = found.get(pid)
        for one in reversed(chain):
            parent = facts.get(one.parent)
            above = found[one.process.pid] = _of_one(one, parent, above)
        return above

    def _of_one(one: Facts, parent: Facts | None, above: Identity | None) -> Identity | None:
        said = _said(one, names, from_environment)
        if (fitting := entries.first(one, listening)) is not None:
            place, entry = fitting
            stated = said | entry.attributes | {SERVICE: entry.service}
            return _identity(stated, place, by_unit=entry.unit is not None)
        inherits = above is not None and above.entry is not None
        if inherits and (parent is None or said == _said(parent, names, from_environment)):
            return above
        return _identity(said)

    for pid in facts:
        of(pid)
    return {pid: identity for pid, identity in found.items() if identity is not None}


def _said(facts: Facts, names: Names, environment: bool) -> dict[str, str]:
    """What the process says of itself, and its container of it. Where it runs, that one knows."""
    known = names.get(facts.placed.container, {})
    said = dict(known)
    if environment and facts.environment:
        said |= _of_environment(frozenset(facts.environment.items()))
    elif not known:
        return said  # as nearly all do
    return said | {name: it for name, it in known.items() if name.startswith("k8s.")}


@lru_cache(REMEMBERED)
def _of_environment(variables: frozenset[tuple[str, str]]) -> Mapping[str, str]:
    """A list of attributes that cannot be read says nothing; its own SDK tells the process so."""
    environ = dict(variables)
    try:
        return canonical(from_environment(environ))
    except ConfigurationError:
        return from_environment({**environ, "OTEL_RESOURCE_ATTRIBUTES": ""})


def _identity(
    attributes: Mapping[str, str], entry: int | None = None, *, by_unit: bool = False
) -> Identity | None:
    """None without a service that a plan could be addressed to."""
    service = attributes.get(SERVICE)
    if not service:
        return None
    with suppress(WireError):
        check_target(service_target(service))
        kept = tuple(sorted(attributes.items()))
        return Identity(attributes=kept, entry=entry, by_unit=by_unit)
    return None
