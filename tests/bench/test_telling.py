"""What is made of the figures: intervals, verdicts, changes, tables, curves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measuring.row import Bound, Goal, Line, at_least_times, at_most, at_most_times
from bench.telling import spread
from bench.telling.coefficients import coefficients_yaml
from bench.telling.comparison import changes, suspects
from bench.telling.curves import sentence
from bench.telling.plot import plot
from bench.telling.results import Block, Measured, interval, percentile
from upshift_controller.settings import Settings
from upshift_rules.documents.located import read_located


def measured(*product: float, floor: tuple[float, ...] = (), **more: object) -> Measured:
    line = Line(name=str(more.pop("name", "a")), unit="ms", **more)  # type: ignore[arg-type]
    if not floor:
        return Measured(line, [Block((it,)) for it in product])
    return Measured(line, [Block((a,), (b,)) for a, b in zip(product, floor, strict=True)])


def test_a_ratio_is_the_median_of_pairs_so_that_what_slows_down_a_pair_slows_down_both() -> None:
    assert measured(2, 20, 2, floor=(1, 10, 1)).ratio == 2
    line = Line("a", "ms")
    assert Block((2, 20, 60, 2, 2), (1, 10, 30, 1, 9)).ratio(line) == 2
    assert Block((0, 2), (1, 1)).ratio(line) is None
    assert Block((1, 2, 6), (3, 2, 1)).ratio(Line("a", "ms", condense=max)) == 2


def test_an_interval_is_known_from_six_values_on() -> None:
    assert interval([1, 2, 3, 4, 5]) is None
    assert interval([6, 1, 5, 2, 4, 3]) == (1, 6)
    assert interval(range(1, 10)) == (2, 8)
    assert interval(range(1, 13)) == (3, 10)
    assert interval(range(1, 12), level=0.999) == (1, 11)


@given(st.lists(st.floats(0.1, 10), min_size=6), st.floats(0.5, 2))
def test_an_interval_holds_the_median_and_scales_with_its_values(
    values: list[float], factor: float
) -> None:
    found = interval(values)
    assert found is not None
    assert found[0] <= median(values) <= found[1]
    assert interval([factor * it for it in values]) == tuple(factor * it for it in found)


def test_95_of_100_intervals_hold_what_the_values_were_drawn_from() -> None:
    random = Random(4)
    for size in (6, 9, 12):
        found = [interval([random.expovariate(1) for _ in range(size)]) for _ in range(2000)]
        true = 0.693147
        assert sum(low <= true <= high for low, high in filter(None, found)) / 2000 > 0.94


SIX = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


def test_a_goal_is_held_or_missed_only_by_the_whole_interval() -> None:
    below, above, both = (1.0,) * 5 + (1.4,), (1.6,) * 6, (1.4,) * 5 + (1.6,)
    for values, verdict in ((below, True), (above, False), (both, None)):
        assert measured(*values, goal=at_most(1.5, "ms")).held is verdict
        assert measured(*values, floor=SIX, goal=at_most_times(1.5)).held is verdict
        opposite = None if verdict is None else not verdict
        assert measured(*values, floor=SIX, goal=at_least_times(1.5)).held is opposite
    assert measured(*below).held is None
    assert measured(*below[:5], goal=at_most(1.5, "ms")).held is None, "five blocks tell nothing"


def test_of_two_bounds_one_is_enough_to_miss_and_none_may_be_open() -> None:
    goal = Goal("", (Bound("product", 2, at_least=True), Bound("over", 1.5)))
    assert measured(*(2.1,) * 6, floor=SIX, goal=goal).held is True
    assert measured(*(1.9,) * 6, floor=SIX, goal=goal).held is False
    assert measured(*(2.6,) * 6, floor=SIX, goal=goal).held is False
    assert measured(*(2.1,) * 5, 2.6, floor=SIX, goal=goal).held is None


def test_a_change_is_told_when_it_is_sure_and_what_may_be_one_is_measured_on() -> None:
    slow = measured(*(1.05, 0.99, 1.06, 1.05, 1.03, 1.07), floor=SIX)
    same = measured(*(1.05, 0.99, 1.06, 0.98, 1.03, 0.97), floor=SIX)
    assert suspects([slow, measured(*SIX, floor=SIX, name="b")]) == {"a"}
    assert not suspects([same])
    slower = measured(*(1.05, 0.99, *(1.06,) * 10), floor=SIX * 2)
    assert [it for _, it in changes([slow], [slower])] == ["worse"]
    assert [it for _, it in changes([slow], [])] == [None], "six blocks are not sure of anything"


def test_a_rate_gets_worse_by_falling_and_a_sure_trifle_is_no_change() -> None:
    def told(value: float, **more: object) -> str | None:
        return changes([measured(*(value,) * 12, floor=SIX * 2, **more)], [])[0][1]

    assert told(1.1, more_is_better=True) == "better"
    assert told(0.9, more_is_better=True) == "worse"
    assert told(0.9) == "better"
    assert told(1.01) is None


def told_of(change: float, noise: Callable[[], float], times: int = 2000) -> float:
    """The share of comparisons in which a line that changed by so much is told as worse."""
    told = 0
    for _ in range(times):
        first, second = (
            measured(*(change * noise() for _ in range(blocks)), floor=(1.0,) * blocks)
            for blocks in (6, 12)
        )
        if suspects([first]):
            told += changes([first], [second])[0][1] == "worse"
    return told / times


def test_chance_is_hardly_ever_told_and_5_percent_are_where_blocks_spread_by_2() -> None:
    random = Random(4)
    assert told_of(1, lambda: random.gauss(1, 0.03)) < 0.002
    assert told_of(1, lambda: random.gauss(1, 0.03) * random.choice((1, 1, 1, 1.3))) < 0.01
    assert told_of(1.05, lambda: random.gauss(1, 0.02)) > 0.95


def test_runs_that_are_far_apart_show_their_spread_in_place_of_a_verdict() -> None:
    def runs(*ratios: float) -> list[list[Measured]]:
        return [[measured(*(it,) * 6, floor=SIX, goal=at_most_times(2))] for it in ratios]

    assert "| ✓ | ± 5.0 % |" in spread.markdown(runs(0.95, 1.0, 1.05), "two cores")
    assert "| too wide | ± 20.0 % |" in spread.markdown(runs(0.8, 1.0, 1.2), "two cores")
    assert "| – | ± 5.0 % |" in spread.markdown(runs(1.9, 2.0, 2.1), "two cores")
    assert "| ✗ | ± 2.0 % |" in spread.markdown(runs(2.45, 2.5, 2.55), "two cores")


def test_the_table_of_many_runs_replaces_only_what_stands_between_its_marks(tmp_path: Path) -> None:
    new = tmp_path / "new" / "page.md"
    for text in ("a\n", "b\n"):
        assert spread.has_place(new)
        spread.write(new, text)
        assert new.read_text() == f"{spread.BEGIN}\n{text}{spread.END}\n"
    page = tmp_path / "page.md"
    page.write_text("another")
    assert not spread.has_place(page)
    page.write_text(f"before\n{spread.BEGIN}\nold\n{spread.END}\nafter\n")
    spread.write(page, "new\n")
    assert page.read_text() == f"before\n{spread.BEGIN}\nnew\n{spread.END}\nafter\n"


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([7], 0.99) == 7


def test_a_curve_that_grows_is_told_with_what_each_one_costs() -> None:
    points = [measured(2 + 3 * n, curve=("agents", n)) for n in (1, 10, 100)]
    said = sentence("agents", points)
    assert said == (
        "agents: from 1 to 100 the cost grows linearly (5 → 302 ms): 2 ms, and 3 ms for each one."
    )


def test_a_curve_within_the_noise_is_told_as_one_that_does_not_grow() -> None:
    points = [measured(2.0, curve=("targets", 10)), measured(2.1, curve=("targets", 10_000))]
    assert sentence("targets", points) == (
        "targets: from 10 to 10,000 the cost does not grow (2 → 2.1 ms)."
    )


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    points = [
        measured(n, floor=(n / 2,), curve=("receipt → last agent, agents", n))
        for n in (1, 10, 1000)
    ]
    picture = tmp_path / "plots" / "bench.png"
    assert plot(points, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not plot([measured(1)], tmp_path / "nothing.png")


def test_measured_overhead_becomes_coefficients_that_upshift_reads() -> None:
    names = ("CPU of one core", "memory", "pushed", "stored in a month")
    points = [
        measured(1 + 0.1 * hz, curve=(f"profiler: {name}", hz))
        for name in names
        for hz in (9, 19, 100)
    ]
    text = coefficients_yaml(points)
    assert text is not None
    cost = read_located(text, "cost.yaml", Settings).document.cost
    assert cost.cpu_percent.at(50) == pytest.approx(6)
    assert coefficients_yaml(points[:3]) is None
