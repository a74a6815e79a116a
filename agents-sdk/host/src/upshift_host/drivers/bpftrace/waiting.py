"""The part of the program by which threads that wait are in the wall profile, too. Pure.

What waits is on no CPU to be sampled. So each switch of the scheduler notes since when a thread has
been off its CPU, and with which stack; when it is back, or at the window's end, it counts as often
as samples at that rate would have found it so: by the periods that have begun meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from upshift_host.profiles.window import NS

#: Of threads on a CPU, and of those that waited and are back.
MAPS = ("@ran", "@waited")

_SWITCH = """tracepoint:sched:sched_switch /@on/ {
  if (@period[pid]) {
    @gone[tid] = nsecs; @whose[tid] = pid; @kernel[tid] = kstack(perf); @user[tid] = ustack(perf);
  }
  $next = (uint64)args->next_pid;
  if (@gone[$next]) {
    $period = (uint64)@period[@whose[$next]];
    $missed = nsecs / $period - @gone[$next] / $period;
    if ($missed) { @waited[@whose[$next], @kernel[$next], @user[$next]] = sum($missed); }
    delete(@gone[$next]);
  }
}"""


def begin(waits: Mapping[int, int]) -> str:
    """What is known at the start. waits: pid → Hz."""
    return "".join(f" @period[{pid}] = {NS // hz};" for pid, hz in sorted(waits.items()))


def probes(waits: Mapping[int, int]) -> list[str]:
    """None where nothing is waited for: each switch on the machine comes by here."""
    running = [
        f"profile:hz:{hz} /@on && @period[pid] == {NS // hz}/ "
        "{ @ran[pid, kstack(perf), ustack(perf)] = count(); }"
        for hz in sorted(set(waits.values()))
    ]
    return [*running, _SWITCH] if waits else []


def unfinished(
    maps: Mapping[str, Mapping[str, object]], waits: Mapping[int, int], until_s: float
) -> Iterator[tuple[str, int]]:
    """Of those that waited still at the end: the key, as `MAPS` have it, and samples.

    maps: as printed, by name. until_s: the end, in seconds of the same clock. Raise `ValueError`,
    `TypeError` or `KeyError` for what cannot be read.
    """
    for thread, since in maps.get("@gone", {}).items():
        pid = maps["@whose"][thread]
        period = NS // waits[int(str(pid))]
        missed = int(until_s * NS) // period - int(str(since)) // period
        if missed > 0:
            kernel, user = (maps.get(it, {}).get(thread, "") for it in ("@kernel", "@user"))
            yield f"{pid},{kernel},{user}", missed
