"""Many runs beside each other: their medians, and how far they are apart. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from ..measuring.row import Line
from .results import Measured

#: Half of what the runs are apart, in per cent of their median: a wider ratio gets no verdict.
TELLS = 7.0
BEGIN, END = "<!-- spread: begin -->", "<!-- spread: end -->"


def half_width(values: Sequence[float]) -> float | None:
    """Per cent of the median; None where that is nothing."""
    middle = median(values)
    return 100 * (max(values) - min(values)) / 2 / abs(middle) if middle else None


def markdown(runs: Sequence[Sequence[Measured]], machine: str) -> str:
    """A table of the lines that all of the runs have."""
    by_name = [{it.line.name: it for it in run} for run in runs]
    names = [name for name in by_name[0] if all(name in run for run in by_name)]
    rows = "\n".join(_row([run[name] for run in by_name]) for name in names)
    return (
        f"Medians of {len(runs)} runs; {machine}.\n\n"
        "| row | Upshift | floor | ratio | to reach | in all runs | spread |\n"
        "|---|---|---|---|---|---|---|\n"
        f"{rows}\n"
    )


def _row(runs: Sequence[Measured]) -> str:
    line = runs[0].line
    telling = [median(it.series(runs[0].telling) or [0.0]) for it in runs]
    ratios = [it.ratio for it in runs if it.ratio is not None]
    floors = [it.floor.median for it in runs if it.floor is not None]
    apart = half_width(telling)
    cells = [
        line.name,
        f"{_short(median(it.product.median for it in runs))} {line.unit}",
        _short(median(floors)) if floors else "–",
        f"{median(ratios):.2f} ×" if ratios else "",
        line.goal.text,
        _verdict(line, runs, apart),
        "" if apart is None else f"± {apart:.1f} %",
    ]
    return "| " + " | ".join(cells) + " |"


def _verdict(line: Line, runs: Sequence[Measured], apart: float | None) -> str:
    """✓ held or ✗ missed in all of the runs; – where they differ; neither for a ratio too wide."""
    if not line.goal.bounds:
        return ""
    if runs[0].telling == "ratio" and (apart is None or apart > TELLS):
        return "too wide"
    verdicts = []
    for bound in line.goal.bounds:
        figures = [median(it.series(bound.of)) for it in runs]
        verdicts.append(bound.verdict(min(figures), max(figures)))
    if False in verdicts:
        return "✗"
    return "–" if None in verdicts else "✓"


def has_place(path: Path) -> bool:
    """Whether `write` would overwrite nothing else: a new file, or one that has the marks."""
    return not path.exists() or (BEGIN in (page := path.read_text()) and END in page)


def write(path: Path, text: str) -> None:
    """Between the marks of a page; a new one has nothing else."""
    page = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
