"""Every row runs, and tells what it should. How long anything takes is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from bench import rows as folder
from bench.measuring import machine
from bench.measuring.program import Code
from bench.measuring.row import Line, Row
from bench.measuring.runner import in_turns, run
from bench.measuring.side import Side
from bench.parts.alerts import WEBHOOK, one
from bench.rows import rows

ROWS = rows()


#: Each only under the last of the names that it has.
ONCE = {id(row): (name, row) for name in ROWS for row in ROWS[name]}


@pytest.mark.parametrize("name", ROWS)
def test_the_row_runs(name: str) -> None:
    chosen = [row for last, row in ONCE.values() if last == name]
    lines, broken = run({name: chosen}, Code(), tiny=True)
    assert not broken
    assert len(lines) == sum(len(row.lines) for row in chosen)
    for it in lines:
        json.dumps(it.to_json(), allow_nan=False)


def test_a_row_is_one_file_of_at_most_60_lines() -> None:
    files = [it for it in Path(folder.__file__).parent.rglob("*.py") if it.name != "__init__.py"]
    assert len(files) == len(ROWS)
    for file in files:
        assert len(file.read_text().splitlines()) <= 60, file.name


def test_no_two_lines_have_the_same_name() -> None:
    """Comparisons and the table of many runs go by it."""
    names = [line.name for _, row in ONCE.values() for line in row.lines]
    assert len(names) == len(set(names))


def test_a_row_that_breaks_is_told_and_costs_no_other() -> None:
    def breaks(_: object) -> object:
        raise OSError("no such program")

    breaking = [Row(lines=[Line("a", "s")], product=breaks)]
    works = [Row(lines=[Line("b", "s")], product=lambda _: lambda: (1.0,))]
    lines, broken = run({"breaks": breaking, "works": works}, Code(), tiny=True)
    assert broken == {"breaks": "OSError: no such program"}
    assert [it.line.name for it in lines] == ["b"]


def test_a_program_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    words = pytest.raises(AssertionError, match=r"(?s)an end with 1 of .*no such service")
    with Side(Code(), tmp_path / "side", tmp_path) as side, words:
        side.start([sys.executable, "-c", "raise SystemExit('no such service')"])


def test_sides_take_turns_at_going_first_and_each_goes_first_as_often() -> None:
    for first, turns in ((0, "AB BA BA AB BA AB"), (1, "BA AB AB BA AB BA")):
        said: list[str] = []
        samplers = [lambda name=name, said=said: (said.append(name), 1.0) for name in "AB"]
        taken = in_turns(samplers, 5, first=first, clock=count().__next__)
        assert "".join(said) == turns.replace(" ", "")
        assert [len(samples) for samples in taken] == [6, 6]
    assert [len(it) for it in in_turns(samplers, 0)] == [1, 1]


def test_what_others_use_of_the_machine_is_noticed() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        used = machine.others_in(0.5)
        other.kill()
    assert used > machine.QUIET


def test_the_limit_that_would_refuse_a_crowd_is_lifted(tmp_path: Path) -> None:
    """Or most rows would measure how alerts are refused."""
    (tmp_path / "kept").mkdir()
    with Side(Code(), tmp_path / "side", tmp_path / "kept") as side:
        for number in range(12):  # with nobody there, the default limit is 10
            answer = side.caller(side.controller).post(WEBHOOK, one(f"service-{number}"))
            assert answer["counts"] == {"granted": 1}
