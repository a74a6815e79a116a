"""Whom `pprof:` has asked for profiles: workloads that listen on its ports, and its targets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from upshift_agent.attributes import SERVICE
from upshift_agent.contract import INSTANCE

from ..config import Configuration
from ..config.pprof import PprofEntry, PprofTarget
from ..discovery.procfs import Procfs
from ..drivers.kinds import Kind
from ..drivers.pprof.scraping import NAME, PROFILES, PprofDriver
from ..drivers.pprof.target import Address
from ..profiles.export import Exporter
from ..workload import Process, Workload


def kinds(configuration: Configuration) -> dict[str, Kind]:
    """How workloads of this host are asked; nothing where `pprof:` is not there."""
    entry = configuration.document.pprof
    if entry is None:
        return {}
    procfs = Procfs()

    def why_not(workload: Workload) -> str | None:
        if port_of(procfs, workload, entry) is not None:
            return None
        ports = ", ".join(map(str, entry.ports)) or "none"
        return f"it does not listen on a port of pprof: in this network ({ports})"

    def make(workload: Workload, exporter: Exporter) -> PprofDriver:
        port = port_of(procfs, workload, entry) or 0
        scheme = "https" if entry.tls else "http"
        url = f"{scheme}://127.0.0.1:{port}{entry.path}"
        address = _address(configuration.folder, url, entry.token_file, entry.ca_file)
        return PprofDriver(address, workload.attributes, exporter)

    kind = Kind(
        name=NAME,
        method="pull",
        profiles=PROFILES,
        languages=frozenset(entry.languages),
        why_not=why_not,
        make=make,
    )
    return {NAME: kind}


def port_of(procfs: Procfs, workload: Workload, entry: PprofEntry) -> int | None:
    """Which of the ports a process of it listens on, in our own network."""
    own = procfs.namespace(os.getpid(), "net")
    for process in workload.processes:
        if procfs.namespace(process.pid, "net") != own:
            continue
        inodes = procfs.sockets(process.pid)
        there = {port for port, inode in procfs.listeners(process.pid) if inode in inodes}
        if (port := next((it for it in entry.ports if it in there), None)) is not None:
            return port
    return None


def targets(configuration: Configuration) -> list[tuple[Workload, Mapping[str, Kind]]]:
    """Each of the list as a workload, and the only way to profile it."""
    entry = configuration.document.pprof
    if entry is None:
        return []
    return [_target(configuration, target) for target in entry.targets]


def _target(
    configuration: Configuration, target: PprofTarget
) -> tuple[Workload, Mapping[str, Kind]]:
    address = _address(configuration.folder, target.url, target.token_file, target.ca_file)
    attributes = {
        INSTANCE: target.url,
        **configuration.document.attributes,
        **target.attributes,
        SERVICE: target.service,
    }
    # What is asked over HTTP has no process here; whoever asks is there as long as it is asked.
    stat = Procfs().stat(os.getpid())
    here = Process(os.getpid(), 0 if stat is None else stat.start_ticks)
    workload = Workload(attributes=attributes, language="go", processes=(here,))
    kind = Kind(
        name=NAME,
        method="pull",
        profiles=PROFILES,
        languages=frozenset({"go"}),
        why_not=lambda _: None,
        make=lambda _, exporter: PprofDriver(address, attributes, exporter),
    )
    return workload, {NAME: kind}


def _address(folder: Path, url: str, token_file: str | None, ca_file: str | None) -> Address:
    return Address(
        url=url,
        token_file=None if token_file is None else folder / token_file,
        ca_file=None if ca_file is None else folder / ca_file,
    )
