"""Every row runs, and tells what it should. How long anything takes is nobody's business here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.coefficients import coefficients_yaml
from bench.curves import sentence
from bench.plot import plot
from bench.results import Rounds, Row, at_most, at_most_times, in_turns, percentile
from bench.rows import ROWS
from bench.sizes import TINY
from upshift_controller.settings import Settings
from upshift_rules.documents.located import read_located


@pytest.mark.parametrize("name", ROWS)
def test_the_row_runs(name: str, tmp_path: Path) -> None:
    rows = list(ROWS[name](TINY, tmp_path))
    assert rows
    for row in rows:
        assert set(row.to_json()) == {"row", "product", "floor", "ratio", "goal", "held"}
        json.dumps(row.to_json(), allow_nan=False)


def row(*product: float, floor: tuple[float, ...] = (), **more: object) -> Row:
    beside = Rounds(floor) if floor else None
    return Row(name="a", unit="ms", product=Rounds(product), floor=beside, **more)  # type: ignore[arg-type]


def test_a_ratio_is_the_median_of_the_rounds_own_so_that_a_slow_round_slows_down_both() -> None:
    assert row(2, 20, 2, floor=(1, 10, 1)).ratio == 2


def test_a_goal_is_held_by_the_median() -> None:
    assert row(1, 2, 900, goal=at_most(2, "ms")).held is True
    assert row(1, 3, 900, goal=at_most(2, "ms")).held is False
    assert row(3, 3, floor=(2, 2), goal=at_most_times(1.5)).held is True
    assert row(3).held is None


def test_product_and_floor_take_turns_at_going_first() -> None:
    said: list[str] = []

    def step(name: str) -> float:
        said.append(name)
        return 1.0

    in_turns(3, lambda _: step("product"), lambda _: step("floor"))
    assert said == ["floor", "product", "product", "floor", "floor", "product"]


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 101), 0.99) == 100
    assert percentile([7], 0.99) == 7


def test_a_curve_that_grows_is_told_with_what_each_one_costs() -> None:
    points = [row(2 + 3 * n, curve=("agents", n)) for n in (1, 10, 100)]
    said = sentence("agents", points)
    assert said == (
        "agents: from 1 to 100 the cost grows linearly (5 → 302 ms): 2 ms, and 3 ms for each one."
    )


def test_a_curve_within_the_noise_is_told_as_one_that_does_not_grow() -> None:
    points = [row(2.0, curve=("targets", 10)), row(2.1, curve=("targets", 10_000))]
    assert sentence("targets", points) == (
        "targets: from 10 to 10,000 the cost does not grow (2 → 2.1 ms)."
    )


def test_the_curves_are_drawn(tmp_path: Path) -> None:
    points = [
        row(n, floor=(n / 2,), curve=("receipt → last agent, agents", n)) for n in (1, 10, 1000)
    ]
    picture = tmp_path / "plots" / "bench.png"
    assert plot(points, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert not plot([row(1)], tmp_path / "nothing.png")


def test_measured_overhead_becomes_coefficients_that_upshift_reads() -> None:
    names = ("CPU of one core", "memory", "pushed", "stored in a month")
    points = [
        row(1 + 0.1 * hz, curve=(f"profiler: {name}", hz)) for name in names for hz in (9, 19, 100)
    ]
    text = coefficients_yaml(points)
    assert text is not None
    cost = read_located(text, "cost.yaml", Settings).document.cost
    assert cost.cpu_percent.at(50) == pytest.approx(6)
    assert coefficients_yaml(points[:3]) is None
