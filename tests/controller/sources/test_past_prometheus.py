"""Alerts of the past, read from what Prometheus remembers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from upshift_controller.errors import PastUnreadable
from upshift_controller.sources.past.prometheus import CHUNK_S, Queries, Series, read_alerts
from upshift_rules.trials.past import Firing

HIGH_CPU = {"alertname": "HighCPU", "service": "checkout"}


class Remembered:
    """A Prometheus that remembers that an alert fired in these spans, in seconds."""

    def __init__(self, *spans: tuple[int, int]) -> None:
        self._spans = spans
        self.asked: list[tuple[int, int]] = []

    def range(self, query: str, start_s: int, end_s: int, step_s: int) -> Iterable[Series]:
        assert query == 'ALERTS{alertstate="firing"}'
        self.asked.append((start_s, end_s))
        values = [
            (at, "1")
            for at in range(start_s, end_s + 1, step_s)
            if any(first <= at < last for first, last in self._spans)
        ]
        own = {"__name__": "ALERTS", "alertstate": "firing"}
        return [{"metric": HIGH_CPU | own, "values": values}] if values else []


def read(queries: Queries, end_s: int, start_s: int = 0) -> Sequence[Firing]:
    return read_alerts(queries, start_s, end_s)


def test_an_alert_is_known_by_its_labels_and_from_when_to_when_it_fired() -> None:
    assert read(Remembered((600, 1200)), 3600) == [Firing(HIGH_CPU, 600_000, 1_200_000)]


def test_one_that_fires_at_the_end_has_not_resolved() -> None:
    assert read(Remembered((600, 9999)), 3600) == [Firing(HIGH_CPU, 600_000, None)]


def test_a_restart_of_prometheus_ends_nothing_and_a_longer_gap_does() -> None:
    short, long = Remembered((0, 600), (840, 1200)), Remembered((0, 600), (1020, 1200))
    assert [it.starts_at_ms for it in read(short, 3600)] == [0]
    assert [it.starts_at_ms for it in read(long, 3600)] == [0, 1_020_000]


def test_long_spans_are_asked_for_in_parts_that_neither_overlap_nor_leave_out() -> None:
    queries = Remembered((0, 10**6))
    (found,) = read(queries, 7 * 24 * 3600)
    assert (found.starts_at_ms, found.ends_at_ms) == (0, None)
    assert len(queries.asked) == 7 * 24 * 3600 // CHUNK_S + 1
    for (_, former), (start, _) in zip(queries.asked, queries.asked[1:], strict=False):
        assert start == former + 60


@pytest.mark.parametrize(
    "series", [[], {}, {"metric": {}}, {"metric": 1, "values": []}, {"metric": {}, "values": [[1]]}]
)
def test_an_answer_of_another_shape_is_refused(series: Any) -> None:
    class Other:
        def range(self, *_: object) -> Iterable[Series]:
            return [series]

    with pytest.raises(PastUnreadable, match="no Prometheus"):
        read(Other(), 3600)
