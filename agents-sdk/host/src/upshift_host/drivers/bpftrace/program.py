"""The program that bpftrace runs, and what it prints. Pure.

The text of the program is made of whole numbers and of nothing else that comes from outside.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from upshift_host.profiles.window import NS, Stack

from . import waiting

#: Printed with the moment from which samples are counted, and the one up to which.
BEGAN, ENDED = "upshift: began", "upshift: ended"
#: What bpftrace calls each sample's place in the map of counts.
COUNTS = "@seen"
#: A kernel function's name ends so, as flame graphs have it.
KERNEL = "_[k]"

#: `perf` mode: an address, then `symbol+offset (file)`, or `0x… ([unknown])`.
_FRAME = re.compile(r"\t[0-9a-f]+ (?P<name>.*?)(?:\+(?:0x)?[0-9a-f]+)?(?: \((?P<file>.*)\))?")


def write(
    rates: Mapping[int, int], own_end_s: int, waits: Mapping[int, int] = MappingProxyType({})
) -> str:
    """A program that samples each process at a rate of its own while it is on a CPU.

    rates: pid, as the initial pid namespace has it → Hz. waits: of those that are sampled for
    another profile also while they wait. Raise `ValueError` unless all are whole numbers above 0.
    """
    for number in (*rates, *rates.values(), *waits, *waits.values(), own_end_s):
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise ValueError(f"no whole number above 0: {number!r}")
    wanted = " ".join(f"@rate[{pid}] = {hz};" for pid, hz in sorted(rates.items()))
    probes = [
        f"profile:hz:{hz} /@on && @rate[pid] == {hz}/ "
        f"{{ {COUNTS}[pid, kstack(perf), ustack(perf)] = count(); }}"
        for hz in sorted(set(rates.values()))
    ]
    return "\n".join(
        [
            f"BEGIN {{ {wanted}{waiting.begin(waits)} }}",
            *probes,
            *waiting.probes(waits),
            # All are attached by then, and so all begin in one moment, which is told.
            f'interval:ms:100 /!@on/ {{ @on = 1; printf("{BEGAN} %llu\\n", nsecs); }}',
            f"interval:s:{own_end_s} {{ exit(); }}",
            f'END {{ printf("{ENDED} %llu\\n", nsecs); }}',
        ]
    )


def moment(output: str, mark: str) -> float | None:
    """When it printed `BEGAN` or `ENDED`, in seconds of `time.monotonic`; None: not yet."""
    match = re.search(rf"{mark} (\d+)\\n", output)
    return int(match[1]) / NS if match else None


def read(output: str) -> dict[int, Counter[Stack]]:
    """Samples by pid, of what `bpftrace -f json` printed. Lines that are cut off are left out."""
    return _counted((key, count) for name, key, count in _printed(output) if name == COUNTS)


def read_waits(output: str, waits: Mapping[int, int], until_s: float) -> dict[int, Counter[Stack]]:
    """The same of those that were sampled also while they waited, until `until_s` (`ENDED`)."""
    maps: dict[str, dict[str, object]] = {}
    counts: list[tuple[str, object]] = []
    for name, key, value in _printed(output):
        maps.setdefault(name, {})[key] = value
        if name in waiting.MAPS:
            counts.append((key, value))
    with suppress(ValueError, TypeError, KeyError):
        counts += waiting.unfinished(maps, waits, until_s)
    return _counted(counts)


def _printed(output: str) -> Iterator[tuple[str, str, object]]:
    """Map, key and value. Objects come as pairs: stacks that it cannot name all have one key."""
    for line in output.splitlines():
        with suppress(ValueError, TypeError):
            said = dict(json.loads(line, object_pairs_hook=list))
            if said.get("type") == "map":
                for name, content in said["data"]:
                    if isinstance(content, list):
                        yield from [(name, key, value) for key, value in content]


def _counted(counts: Iterable[tuple[str, Any]]) -> dict[int, Counter[Stack]]:
    found: dict[int, Counter[Stack]] = {}
    for key, count in counts:
        with suppress(ValueError, TypeError):
            pid, stack = _key(key)
            found.setdefault(pid, Counter())[stack] += int(count)
    return found


def _key(key: str) -> tuple[int, Stack]:
    """`PID,` the kernel's stack `,` the user's, each innermost first, a line a frame."""
    pid, _, stacks = key.partition(",")
    kernel, user = _parted(stacks)
    frames = [
        *(_frame(line) for line in reversed(user)),
        *(_frame(line) + KERNEL for line in reversed(kernel)),
    ]
    return int(pid), tuple(frames) or ("[no stack]",)


def _parted(stacks: str) -> tuple[list[str], list[str]]:
    """The lines of both. A name may hold a comma; the one between the two begins a line."""
    kernel: list[str] = []
    user: list[str] = []
    into = kernel
    for line in stacks.split("\n"):
        if line.startswith(","):
            into = user
        elif line.strip():
            into.append(line)
    return kernel, user


def _frame(line: str) -> str:
    match = _FRAME.fullmatch(line)
    if match is None:
        return line.strip()
    name = match["name"]
    if not name.startswith("0x"):
        return name
    file = (match["file"] or "").rpartition("/")[2].strip("[]")
    return f"[{file or 'unknown'}]"
