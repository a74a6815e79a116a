"""What is remembered of bodies is bounded in bytes, and nothing of a large one is."""

from __future__ import annotations

from upshift_controller.runtime.cache import Cache
from upshift_controller.sources.alertmanager import payload as alertmanager
from upshift_rules import text


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    cache: Cache[int, str] = Cache(1000)
    for number in range(100):
        cache.keep(number, "", 300)
        cache.keep(number, "", 300)
    assert cache.bytes == 900
    assert cache.get(99) is not None
    assert cache.get(96) is None
    cache.keep(1, "", 2000)
    assert cache.bytes == 0


def test_nothing_is_remembered_by_a_large_text() -> None:
    for number in range(50):
        text.normalised(f"{number}" * 100_000)
        alertmanager.milliseconds(f"{number}" * 100_000)
    assert text._remembered.cache_info().maxsize == 1024  # entries of at most this length:
    assert all(len(it) <= 64 for it in ["2026-01-31T12:00:00.123456789+00:00"])
    assert text._remembered.cache_parameters()["maxsize"] * text.MAX_REMEMBERED < 2**20
