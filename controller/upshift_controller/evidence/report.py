"""A report: what is asked for, asked of a backend, compared and put into words. Its one output is
JSON, of which everything that is shown is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .backends import Backend, Profiles, from_json
from .reading.tally import Tally, read_tally
from .reading.tree import Node
from .spans import Span
from .statistics.comparing import LEAST_WINDOWS, Comparison, Kind, TooLittle, Window, compare, top
from .statistics.shares import Share

#: One report may take so many seconds.
REPORT_S = 120
#: Functions of each list; changes that are significant are all told, up to `MOST_CHANGES`.
TOP, MOST_CHANGES = 10, 50
#: Names longer than this are cut: stored with the history, and shown in a terminal.
NAME = 200
#: Of the tree, what takes less than this share of both windows is left out, and only so many stay.
SMALLEST, MOST_NODES = 0.005, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a report is about. labels: attributes of whom it is about; window, before: Redis ms.
    hz, before_hz: what was requested, in Hz."""

    backend: Backend
    labels: Mapping[str, str | list[str]]
    profile: str
    window: Span
    before: Span
    hz: int
    before_hz: int

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Job:
        spans = {name: Span(*document[name]) for name in ("window", "before")}
        return cls(**{**document, "backend": from_json(document["backend"]), **spans})


def report(job: Job, profiles: Profiles) -> dict[str, Any]:
    """Ask, and compare. Raise `BackendError` and `ProfileError`."""
    trees = {"before": Node(), "now": Node()}
    before = _window(job, profiles, job.before, job.before_hz, trees["before"])
    now = _window(job, profiles, job.window, job.hz, trees["now"])
    told: dict[str, Any] = {
        "backend": job.backend.kind,
        "profile": job.profile,
        "before": _side(job, job.before, before),
        "window": _side(job, job.window, now),
        "top": {kind.value: list(_top(kind, before, now)) for kind in Kind},
        "changes": [],
        "asked": 0,
        "problem": None,
        "tree": _tree(trees["before"], trees["now"]),
    }
    try:
        comparison = compare(before, now)
    except TooLittle as error:
        return told | {"problem": str(error), "advice": _too_little(before, now)}
    told["asked"] = len(comparison.changes)
    told["changes"] = [
        {
            "function": change.function[:NAME],
            "kind": change.kind.value,
            "before": _share(change.before),
            "now": _share(change.now),
            "difference": _rounded(change.difference.value),
            "half_width": _rounded(change.difference.half_width),
            "p": float(f"{change.difference.p:.2g}"),
        }
        for change in comparison.significant[:MOST_CHANGES]
    ]
    return told | {"advice": _advice(job, comparison)}


def _window(job: Job, profiles: Profiles, span: Span, hz: int, tree: Node) -> Window:
    weighed, counted = job.backend.profiles[job.profile]
    tallies = []
    for part in span.parts():
        data = profiles.pprof(weighed, job.labels, part)
        tallies.append(Tally() if data is None else read_tally(data, tree))
    samples = sum(tally.weight for tally in tallies)
    if counted is None:
        samples *= hz / 1e9 if _is_time(job) else 1
    else:
        data = profiles.pprof(counted, job.labels, span)
        samples = 0.0 if data is None else read_tally(data, Node()).weight
    return Window(tallies, samples)


def _is_time(job: Job) -> bool:
    """Whether stacks weigh nanoseconds; else samples, and nobody knows for which time."""
    return job.backend.profiles[job.profile][0].split(":")[2] == "nanoseconds"


def _side(job: Job, span: Span, window: Window) -> dict[str, Any]:
    seconds = window.weight / 1e9 if _is_time(job) else None
    counted = job.backend.profiles[job.profile][1] is not None
    return {
        "from_ms": span.from_ms,
        "until_ms": span.until_ms,
        "samples": round(window.samples),
        "seconds": seconds and round(seconds, 3),
        "achieved_hz": round(window.samples / seconds, 1) if seconds and counted else None,
    }


def _top(kind: Kind, before: Window, now: Window) -> Iterator[dict[str, Any]]:
    earlier = dict(top(before.tallies, kind, 10**9))
    for name, share in top(now.tallies, kind, TOP):
        yield {
            "function": name[:NAME],
            "before": _rounded(earlier.get(name, 0.0)),
            "now": _rounded(share),
        }


def _share(share: Share) -> dict[str, float]:
    return {"share": _rounded(share.value), "half_width": _rounded(share.half_width)}


def _rounded(share: float) -> float:
    return round(share, 5)


def _advice(job: Job, comparison: Comparison) -> str | None:
    """What it would take to see a change of 5 %, where that could be missed."""
    if comparison.enough:
        return None
    times = comparison.times_longer()
    seconds = job.window.length_ms * times // 1000
    return (
        f"a change of less than {comparison.least_seen:.0%} of the whole may be missed: to see 5 %,"
        f" both windows have to be {seconds:,} s long in place of {job.window.length_ms // 1000:,},"
        f" or hold {times} times as many samples"
    )


def _too_little(before: Window, now: Window) -> str:
    least = LEAST_WINDOWS * 10
    if not now.weight:
        return "the backend has no such profile of this time: do labels and profile types agree?"
    if not before.weight:
        return "there is nothing to compare with: `--against 1d` takes the day before"
    return f"a window of at least {least} s, with samples in each 10 s of it, can be compared"


def _tree(before: Node, now: Node) -> dict[str, Any]:
    """Both trees as one: name → [share before, share now, calls]."""
    whole = before.weight or 1.0, now.weight or 1.0
    left = [MOST_NODES]

    def merged(a: Node | None, b: Node | None) -> list[Any]:
        shares = [(a.weight if a else 0.0) / whole[0], (b.weight if b else 0.0) / whole[1]]
        calls: dict[str, Any] = {}
        names = dict.fromkeys([*(b.calls if b else ()), *(a.calls if a else ())])
        pairs = [(name, a and a.calls.get(name), b and b.calls.get(name)) for name in names]
        pairs.sort(key=lambda it: -(it[2].weight if it[2] else 0.0))
        for name, c, d in pairs:
            largest = max((c.weight if c else 0) / whole[0], (d.weight if d else 0) / whole[1])
            if largest < SMALLEST or left[0] == 0:
                continue
            left[0] -= 1
            calls[name[:NAME]] = merged(c, d)
        return [_rounded(shares[0]), _rounded(shares[1]), calls]

    root = merged(before, now)
    return {"all": root}
