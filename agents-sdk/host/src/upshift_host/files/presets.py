"""What is known of the profilers that there are presets for. Pure.

What Alloy's components do is taken from the documentation and source of Grafana Alloy 1.18, and has
not been tried on the program; the collector's receiver is that of 0.159, and has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from upshift_agent import Profile
from upshift_host.fallback import Method
from upshift_host.workload import LANGUAGES, Language

from .contents import Own

WRITTEN_BY = "Written by upshift-agent, at each change; do not edit."
#: Go's profiler samples at this rate, whatever anybody asks of it.
GO_HZ = 100
#: One profile of `pyroscope.scrape`, which wants a second of rest between two.
SCRAPED_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """own: the file, given the name of the collector's receiver; None: the user says what is in it.

    highest: Hz. reached: Hz that the profiler makes of a frequency. within_s: how long it takes to
    have a change in force, once it was told. command: how its process is found, RE2. signal: what
    has it reload.
    """

    method: Method = "ebpf"
    languages: frozenset[Language] = frozenset(LANGUAGES)
    profile: Profile = "cpu"
    own: Callable[[str], Own] | None = None
    highest: int = 1000
    reached: Callable[[int], float] = float
    within_s: float = 15.0
    command: str | None = None
    signal: str | None = None


def alloy_ebpf(hz: int) -> str:
    """A module that declares `ebpf`. An update ignores a rate alone: the label changes, too."""
    component = (
        f"""
  pyroscope.ebpf "hz{hz}" {{
    targets          = argument.targets.value
    forward_to       = argument.forward_to.value
    sample_rate      = {hz}
    collect_interval = "15s"
  }}
"""
        if hz
        else ""
    )
    return f"""// {WRITTEN_BY}
declare "ebpf" {{
  argument "targets" {{ }}

  argument "forward_to" {{ }}
{component}}}
"""


def alloy_java(hz: int) -> str:
    """What the user's `pyroscope.java` reads. A rate of 0 would be divided by."""
    return _json({"cpu": hz > 0, "hz": max(hz, 1)})


def alloy_scrape(hz: int) -> str:
    """What the user's `pyroscope.scrape` reads: a part of the time, for the rate is Go's own."""
    return _json(
        {
            "enabled": hz > 0,
            "scrape_interval": f"{_scraped_each_s(max(hz, 1))}s",
            "duration": f"{SCRAPED_S}s",
        }
    )


def collector(receiver: str) -> Own:
    """A configuration to be merged over the user's: only the receiver's frequency.

    0 is refused there. It is 1 Hz, in one of a hundred minutes.
    """

    def text(hz: int) -> str:
        off = "" if hz else "    probabilistic_threshold: 1\n"
        return (
            f"# {WRITTEN_BY}\nreceivers:\n  {receiver}:\n"
            f"    samples_per_second: {max(hz, 1)}\n{off}"
        )

    return Own(text)


def _json(values: Mapping[str, object]) -> str:
    return json.dumps({"written_by": "upshift-agent", **values}) + "\n"


def _scraped_each_s(hz: int) -> int:
    return max(SCRAPED_S + 1, ceil(SCRAPED_S * GO_HZ / hz))


def _scraped_hz(hz: int) -> float:
    return GO_HZ * SCRAPED_S / _scraped_each_s(hz) if hz else 0.0


#: Of programs, not of shells that have been told to run them: those would end of a signal.
_ALLOY = r"^([^ ]*/)?alloy( |$)"

PRESETS: Mapping[str, Preset] = {
    "alloy.ebpf": Preset(own=lambda _: Own(alloy_ebpf), within_s=15.0, command=_ALLOY),
    "alloy.java": Preset(
        method="push",
        languages=frozenset({"java"}),
        own=lambda _: Own(alloy_java),
        within_s=60.0,
        command=_ALLOY,
    ),
    "alloy.scrape": Preset(
        method="pull",
        languages=frozenset({"go"}),
        own=lambda _: Own(alloy_scrape),
        highest=GO_HZ,
        reached=_scraped_hz,
        # What was begun at 1 Hz is one profile in 1000 s; at 19 Hz it is one in 53 s.
        within_s=60.0,
        command=_ALLOY,
    ),
    "otel-collector": Preset(
        own=collector,
        within_s=5.0,
        command=r"^([^ ]*/)?otelcol[^ /]*( |$)",
        signal="HUP",
    ),
    "file": Preset(within_s=10.0),
}
