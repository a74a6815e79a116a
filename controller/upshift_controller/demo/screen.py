"""What the demo shows: its story, line by line, and beneath it, on a terminal, what goes on now."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .chart import chart
from .receiving.measured import Phase, Worker, deviation
from .receiving.receiver import Rate

#: Without a terminal, how often a line says how things stand.
_PLAIN_EVERY_S = 5.0
_INDENT = 17


class Screen:
    """`console` decides: live on a terminal, plain lines where it is none."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began = time.monotonic()
        self._live: Live | None = None
        self._said = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """`show` works while this lasts."""
        if not self.console.is_terminal or self.console.is_dumb_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False) as self._live:
            yield
        self._live = None

    def say(self, title: str, text: str, style: str = "") -> None:
        """A line of the story."""
        seconds = round(time.monotonic() - self._began)
        lines = textwrap.wrap(text, max(30, self.console.width - _INDENT), break_on_hyphens=False)
        self.console.print(
            Text.assemble(
                (f"{seconds // 60}:{seconds % 60:02d}  ", "dim"),
                (f"{title:<{_INDENT - 6}}", "bold"),
                ("\n" + " " * _INDENT).join(lines),
                style=style,
            )
        )

    def tell(self, text: str, style: str = "") -> None:
        """A paragraph, rich's markup and all."""
        self.console.print(text, style=style)

    def show(
        self, workers: Sequence[Worker], doing: str, done: float = 0.0, length: float | None = None
    ) -> None:
        """How things stand. doing: what is awaited; done, length: seconds of it."""
        if self._live is not None:
            progress = Text(doing, "dim") if length is None else _progress(doing, done, length)
            self._live.update(Group("", self._table(workers), "", progress), refresh=True)
        elif time.monotonic() - self._said > _PLAIN_EVERY_S and length is not None:
            self._said = time.monotonic()
            for worker in workers:
                if worker.profiles:  # there is something to tell
                    self.say("", standing(worker))

    def rest(self, workers: Sequence[Worker]) -> None:
        """Leave the table as it is, with nothing awaited any more."""
        if self._live is not None:
            self._live.update(Group("", self._table(workers)), refresh=True)

    def verdict(self, phases: Sequence[Phase]) -> None:
        """What each phase was measured at."""
        table = _columns("phase", "requested", "measured", "samples", "")
        for phase in phases:
            mark = Text("right", "green") if phase.right else Text("WRONG", "bold red")
            rate = phase.rate
            table.add_row(
                phase.name, f"{phase.hz} Hz", f"{measured(rate)} Hz", f"{rate.samples:,}", mark
            )
        self.console.print("", table, "", sep="\n")

    def _table(self, workers: Sequence[Worker]) -> Table:
        table = _columns("worker", "requested", "applied", "measured", "measured over time")
        for worker in workers:
            settled = worker.requested == worker.applied
            table.add_row(
                worker.name,
                f"{_hz(worker.requested)} Hz",
                Text(f"{_hz(worker.applied)} Hz", "" if settled else "yellow"),
                Text(f"{measured(worker.latest())} Hz", "bold"),
                Text(chart(worker, unicode=self.console.encoding.startswith("utf")), "cyan"),
            )
        return table


def measured(rate: Rate) -> str:
    hz, spread = rate.per_cpu_second, deviation(rate)
    return "–" if hz is None or spread is None else f"{hz:.1f} ± {spread:.1f}"


def standing(worker: Worker) -> str:
    return (
        f"{worker.name}: requested {_hz(worker.requested)}, applied {_hz(worker.applied)}, "
        f"measured {measured(worker.latest())} Hz"
    )


def _columns(*names: str) -> Table:
    """A table without lines: names to the left, figures to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for place, name in enumerate(names):
        figures = 0 < place < len(names) - 1
        table.add_column(name, justify="right" if figures else "left", no_wrap=True)
    return table


def _progress(doing: str, done: float, length: float) -> RenderableType:
    line = Table.grid(padding=(0, 2))
    line.add_row(
        ProgressBar(total=max(length, 0.1), completed=min(done, length), width=24),
        Text(f"{max(0, length - done):2.0f} s", "bold"),
        Text(doing),
    )
    return line


def _hz(hz: int | None) -> str:
    return "–" if hz is None else str(hz)
