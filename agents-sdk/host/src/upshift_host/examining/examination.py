"""All that the doctor finds, as a value, and in words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from upshift_agent.attributes import SERVICE

from ..config import Configuration, load
from ..discovery.discovery import SETTLED_S, Discovery
from ..drivers.kinds import Kind
from ..fallback import Choice
from ..files.of_host import Files
from ..profiles.window import Window
from ..running.carrier import Carrier
from ..running.natives import natives
from ..running.pulling import kinds as pulled
from ..workload import Workload
from . import kernel, reaching


class _Nowhere:
    def send(self, _window: Window) -> None:
        """Nothing is sent while nothing runs."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A workload, and which methods would profile it."""

    workload: Workload
    choice: Choice
    profiles: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "attributes": dict(self.workload.attributes),
            "language": self.workload.language,
            "pids": [it.pid for it in self.workload.processes],
            "profiled_by": dict(self.choice.carriers),
            "not_profiled": sorted(self.choice.missing) if self.choice.carriers else ["cpu"],
            "why_not": dict(self.choice.reasons),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """redis, backend: why they are away; None if they answer."""

    node: str
    kernel: kernel.Kernel
    redis: str | None
    backend: str | None
    backend_url: str
    workloads: tuple[Examined, ...]

    @property
    def well(self) -> bool:
        away = self.redis is not None or self.backend is not None
        return not away and all(it.choice.carriers for it in self.workloads)

    def as_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "well": self.well,
            "kernel": asdict(self.kernel),
            "redis": {"well": self.redis is None, "why_not": self.redis},
            "backend": {
                "url": self.backend_url,
                "well": self.backend is None,
                "why_not": self.backend,
            },
            "workloads": [it.as_json() for it in self.workloads],
        }


def examine(config: Path | None, kinds: Mapping[str, Kind]) -> Examination:
    """Look at everything once. Raise `StartRefused` if the configuration cannot be used."""
    configuration = load(config)
    document = configuration.document
    return Examination(
        node=configuration.node,
        kernel=kernel.look(),
        redis=reaching.redis(document.redis, document.namespace),
        backend=reaching.http(configuration.backend.url, configuration.headers),
        backend_url=configuration.backend.url,
        workloads=tuple(
            _workloads(
                configuration,
                Files(configuration).before(
                    {**natives(configuration), **kinds, **pulled(configuration)}
                ),
            )
        ),
    )


def _workloads(configuration: Configuration, kinds: Mapping[str, Kind]) -> list[Examined]:
    discovery = Discovery(configuration)
    discovery.look(time.monotonic())
    time.sleep(SETTLED_S)  # as long as `run` waits, too
    discovery.look(time.monotonic())
    priorities = {it.method: it.priority for it in configuration.document.fallback_strategy}
    found = []
    for workload in discovery.workloads.values():
        carrier = Carrier(workload, kinds, priorities, _Nowhere())  # which starts nothing
        found.append(Examined(workload, carrier.choice, carrier.profiles))
    return sorted(found, key=lambda it: (it.workload.attributes[SERVICE], it.workload.processes))


def in_words(found: Examination) -> str:
    """For people, a line for each thing."""
    host = found.kernel
    lines = [
        f"node {found.node}, kernel {host.release}",
        f"  BTF: {_yes(host.btf)}; all processes of the host seen: {_yes(host.host_pids)}",
        f"  capabilities: {', '.join(host.capabilities) or 'none that a profiler asks for'}",
        f"  perf_event_paranoid: {_number(host.perf_event_paranoid)}; "
        f"ptrace_scope: {_number(host.ptrace_scope)}; "
        f"memlock: {'no limit' if host.memlock is None else f'{host.memlock >> 10} KiB'}",
        *(f"  {name}: {path or 'not on the PATH'}" for name, path in host.programs.items()),
        f"Redis: {found.redis or 'answers'}",
        f"{found.backend_url}: {found.backend or 'answers'}",
    ]
    if not found.workloads:
        lines.append("no workloads: nothing that runs here fits `workloads:`, or names a service")
    for it in found.workloads:
        pids = ", ".join(str(process.pid) for process in it.workload.processes[:5])
        lines.append(f"{it.workload.attributes[SERVICE]} ({it.workload.language}, pid {pids})")
        by: dict[str, list[str]] = {}
        for profile, name in it.choice.carriers.items():
            by.setdefault(name, []).append(profile)
        lines += [f"  {', '.join(profiles)}: {name}" for name, profiles in by.items()]
        if not by:
            lines.append("  nothing here can profile it")
        lines += [f"  not {name}: {why}" for name, why in it.choice.reasons.items()]
    return "\n".join(lines)


def _yes(it: bool) -> str:
    return "yes" if it else "no"


def _number(it: int | None) -> str:
    return "not there" if it is None else str(it)
