"""The language of a process, by its program, by what is mapped, by what a linker has left."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from host.discovery.proc_tree import ProcTree
from upshift_host.discovery.cgroups import Placed, place
from upshift_host.discovery.languages import language_of

CONTAINER = "0123456789abcdef" * 4
POD = "2f6c1c5e-1234-4abc-9def-0123456789ab"


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    return ProcTree(tmp_path / "proc")


def mapped(path: str) -> str:
    return f"7f00-7f01 r-xp 00000000 fe:01 42    {path}\n"


@pytest.mark.parametrize(
    ("exe", "maps", "language"),
    [
        ("/usr/bin/python3.11", "", "python"),
        ("/opt/venv/bin/python", "", "python"),
        ("/usr/local/bin/python3.13t", "", "python"),
        ("/usr/lib/jvm/17/bin/java", "", "java"),
        ("/usr/bin/node", "", "node"),
        ("/usr/bin/uwsgi", mapped("/usr/lib/libpython3.11.so.1.0"), "python"),
        ("/opt/app/renamed", mapped("/x/_json.cpython-312-x86_64-linux-gnu.so"), "python"),
        ("/opt/app/launcher", mapped("/opt/app/runtime/lib/server/libjvm.so"), "java"),
        ("/usr/bin/nginx", mapped("/usr/lib/libc.so.6"), "native"),
        ("/usr/bin/pythonista-backup", "", "native"),
        ("", "", "native"),
    ],
)
def test_a_language_shows_in_the_program_or_in_what_is_mapped(
    tree: ProcTree, exe: str, maps: str, language: str
) -> None:
    tree.add(70, "x", exe=exe or "/nowhere", maps=maps)
    assert language_of(tree.procfs, 70, exe) == language


def elf(notes: bytes, *, bits: int = 64) -> bytes:
    """A program of nothing but one segment of notes."""
    if bits == 64:
        head = b"\x7fELF\x02\x01\x01" + bytes(9)
        head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        return head + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4) + notes
    head = b"\x7fELF\x01\x01\x01" + bytes(9)
    head += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return head + struct.pack("<IIIIIIII", 4, 84, 0, 0, len(notes), len(notes), 4, 4) + notes


GO = struct.pack("<III", 4, 4, 4) + b"Go\0\0" + b"abcd"
GNU = struct.pack("<III", 4, 4, 3) + b"GNU\0" + b"abcd"


@pytest.mark.parametrize(
    ("program", "language"),
    [
        (elf(GO), "go"),
        (elf(GO, bits=32), "go"),
        (elf(GNU), "native"),
        (elf(GO)[:70], "native"),
        (b"#!/bin/sh\n", "native"),
        (b"\x7fELF", "native"),
    ],
)
def test_go_shows_in_the_build_id_that_its_linker_leaves(
    tree: ProcTree, tmp_path: Path, program: bytes, language: str
) -> None:
    path = tmp_path / "program"
    path.write_bytes(program)
    tree.add(70, "x", exe=str(path))
    assert language_of(tree.procfs, 70, str(path)) == language


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        ("/", Placed()),
        ("/user.slice/user-1000.slice/session-3.scope", Placed()),
        ("/system.slice/billing.service", Placed(unit="billing.service")),
        (f"/docker/{CONTAINER}", Placed(container=CONTAINER)),
        (f"/system.slice/docker-{CONTAINER}.scope", Placed(container=CONTAINER)),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
            f"{POD.replace('-', '_')}.slice/cri-containerd-{CONTAINER}.scope",
            Placed(container=CONTAINER, pod=POD),
        ),
        (
            f"/kubepods/besteffort/pod{POD}/{CONTAINER}",
            Placed(container=CONTAINER, pod=POD),
        ),
        (f"/machine.slice/libpod-{CONTAINER}.scope", Placed(container=CONTAINER)),
        (f"/system.slice/containerd.service/kubepods:cri-containerd:{CONTAINER}",
         Placed(container=CONTAINER, unit="containerd.service")),
    ],
)  # fmt: skip
def test_a_control_group_names_the_container_the_pod_and_the_unit(
    cgroup: str, expected: Placed
) -> None:
    assert place([cgroup]) == expected
