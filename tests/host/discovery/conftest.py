"""A discovery over a procfs of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from host.discovery.proc_tree import ProcTree
from upshift_host.config import load
from upshift_host.discovery.discovery import SETTLED_S, Discovery
from upshift_host.workload import Workload

HEAD = "redis: redis://a\npyroscope: {url: 'http://a'}\nnode: worker-3\n"
#: An entry that finds `checkout.py`.
CHECKOUT = "workloads: [{service: checkout, command: 'checkout\\.py'}]\n"
PYTHON = "/usr/bin/python3.11"

Discover = Callable[..., Discovery]


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path / "proc")


@pytest.fixture
def discover(tmp_path: Path, tree: ProcTree) -> Discover:
    def discover(text: str = "", **environ: str) -> Discovery:
        path = tmp_path / "agent.yaml"
        path.write_text(HEAD + text)
        return Discovery(load(path, environ), tree.procfs)

    return discover


def found(discovery: Discovery, now: float = 0.0) -> list[Workload]:
    """After a look, and another one when all has settled."""
    discovery.look(now)
    discovery.look(now + SETTLED_S)
    return list(discovery.workloads.values())


def services(discovery: Discovery, now: float = 0.0) -> list[str]:
    return sorted(it.attributes["service.name"] for it in found(discovery, now))
