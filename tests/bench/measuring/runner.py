"""Runs rows: in passes, each a block of every row, each block in fresh processes.

So a row's blocks are spread over the whole run, and its interval knows what the machine did in all
that time. Within a block both sides are alive and take one short sample in turn, so that a ratio
compares what lies within a second or two.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from ..telling.results import Block, Measured
from .program import Code
from .row import Row, Sampler, Way
from .side import Side

#: Of one side in one block: for each sample a figure for each line.
Samples = list[Sequence[float]]


def run(
    rows: Mapping[str, Sequence[Row]],
    now: Code,
    base: Code | None = None,
    *,
    times: int = 1,
    tiny: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[Measured], dict[str, str]]:
    """Take `times` the blocks of each row. Return their lines, and which rows broke, and how.

    base: the code that the product is compared with; None: with what the row has beside it.
    """
    once = {id(row): (name, row) for name, of_name in rows.items() for row in of_name}
    broken: dict[str, str] = {}
    for code in (now, base or now):
        code.compile()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        taking = [
            Taking(name, row, _sides(row, now, base), Path(folder), row.blocks * times, tiny)
            for name, row in once.values()
        ]
        passes = 1 if tiny else max((it.blocks for it in taking), default=0)
        for number in range(passes):
            say(f"pass {number + 1} of {passes}")
            _pass([it for it in taking if number < it.blocks and it.name not in broken], broken)
    lines = [line for it in taking if it.name not in broken for line in it.measured()]
    return lines, broken


def _sides(row: Row, now: Code, base: Code | None) -> list[tuple[Way, Code, str]]:
    """How each side is started, with which code, and whose folder it copies from."""
    sides = [(row.product, now, "now")]
    if base is not None:
        sides.append((row.product, base, "base"))
    elif row.beside is not None:
        sides.append((row.beside, now, "now"))
    return sides


def _pass(taking: Sequence[Taking], broken: dict[str, str]) -> None:
    """A block of each. Those that wait begin first and end last, and have the others meanwhile."""
    with ExitStack() as stack:
        waiting = []
        for it in (it for it in taking if it.row.waits):
            with _noting(broken, it.name):
                waiting.append((it, it.start(stack, it.sides)))
        for it in (it for it in taking if not it.row.waits):
            with _noting(broken, it.name):
                it.block()
        for it, samplers in waiting:
            with _noting(broken, it.name):
                it.taken.append(it.samples(samplers))


@contextmanager
def _noting(broken: dict[str, str], name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  # one row that breaks must not cost the others
        broken[name] = f"{type(error).__name__}: {error}"


@dataclass(slots=True, eq=False)
class Taking:
    """A row while its blocks are taken."""

    name: str
    row: Row
    sides: list[tuple[Way, Code, str]]
    folder: Path
    blocks: int
    tiny: bool = False
    taken: list[list[Samples]] = field(default_factory=list)  # by block, by side

    def block(self) -> None:
        """Fresh processes, then samples in turn; or one side after the other."""
        together = [[it] for it in self.sides] if self.row.alone else [self.sides]
        samples: list[Samples] = []
        for sides in together:
            with ExitStack() as stack:
                samples += self.samples(self.start(stack, sides))
        self.taken.append(samples)

    def start(self, stack: ExitStack, sides: Sequence[tuple[Way, Code, str]]) -> list[Sampler]:
        """The sides are started at the same time, and each is the first one as often."""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
        made = [
            (way, Side(code, folder / str(number), self.folder / kept, tiny=self.tiny))
            for number, (way, code, kept) in enumerate(sides)
        ]
        for _, side in made:
            stack.enter_context(side)
        order = -1 if len(self.taken) % 2 else 1
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda it: it[0](it[1]), made[::order]))[::order]

    def samples(self, samplers: Sequence[Sampler]) -> list[Samples]:
        seconds = 0 if self.tiny else self.row.seconds
        return in_turns(samplers, seconds, first=len(self.taken), pause_s=self.row.pause_s)

    def measured(self) -> Iterator[Measured]:
        for place, line in enumerate(self.row.lines):
            blocks = [
                Block(*([sample[place] for sample in side] for side in block))
                for block in self.taken
            ]
            yield Measured(line, blocks)


def in_turns(
    samplers: Sequence[Sampler],
    seconds: float,
    *,
    first: int = 0,
    pause_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> list[Samples]:
    """Samples of each for so long: A B, B A, B A, A B, … or, with an odd `first`, B A, A B, …

    Each goes first as often as the other, and also in every other round, if that is of a kind of
    its own; but with no seconds one round is all. pause_s: after each round.
    """
    taken: list[Samples] = [[] for _ in samplers]
    ends = clock() + seconds
    for number in count():
        turns = list(zip(taken, samplers, strict=True))
        for samples, sampler in reversed(turns) if (number.bit_count() + first) % 2 else turns:
            samples.append(sampler())
        if clock() >= ends and (len(turns) == 1 or not seconds or number % 2):
            return taken
        time.sleep(pause_s)
    raise AssertionError("count() ends")
