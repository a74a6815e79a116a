"""Profilers that agents of several targets share."""

from rules.world import MINUTE, START_MS
from upshift_rules.leases.limiting.reservations import Reservation
from upshift_rules.leases.limits import Ledger, Limits
from upshift_rules.leases.stored import decode_budget, encode_budget


def part(target: str, agents: int, *shared: str) -> Reservation:
    end_ms = START_MS + 10 * MINUTE
    return Reservation(target, None, agents, agents, START_MS, end_ms, shared=shared)


def test_a_profiler_that_agents_of_two_targets_share_counts_once() -> None:
    book = Ledger({}, Limits(max_boosted_agents=5), START_MS)
    assert book.take("a", part("service/a", 3, "x", "y")) is None
    assert book.take("b", part("service/b", 4, "x", "y", "z")) is None
    assert book.boosted_agents == 5, "x, y, z, and one of each service alone"
    assert book.take("c", part("service/c", 2, "x", "z")) is None, "raised already"
    refusal = book.take("d", part("service/d", 1))
    assert refusal is not None
    assert refusal.reason.endswith("5 are boosted, and this would boost 1 more")
    book.end("a")
    assert book.boosted_agents == 4, "its own is free; what is shared is raised by others"
    again = Ledger(decode_budget(encode_budget(book.finish()).encode()), book.limits, book.now_ms)
    assert again.boosted_agents == 4
