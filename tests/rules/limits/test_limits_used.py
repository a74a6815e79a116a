"""What is used of the limits, and that no sequence of events passes one."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.world import MINUTE, START_MS
from upshift_agent.contract import Lease
from upshift_rules.leases.limiting.reservations import HOUR_MS, Budget, Reservation, ends_ms
from upshift_rules.leases.limits import MAX_RESERVATIONS, Ledger, Limits
from upshift_rules.leases.stored import decode_budget, encode_budget


def part(
    agents: int = 1,
    *,
    target: str = "service/checkout",
    known: int = 0,
    rule: str | None = "r",
    meant: int = 0,
    where: str = "",
) -> Reservation:
    return Reservation(
        target=target,
        rule=rule,
        agents=agents,
        known=max(known, agents),
        since_ms=START_MS,
        expires_at_ms=START_MS + 10 * MINUTE,
        meant=meant,
        filter=where,
    )


def ledger(budget: Budget | None = None, *, later_ms: int = 0, **limits: int) -> Ledger:
    return Ledger(budget or {}, Limits(**limits), START_MS + later_ms)


# What is used


def test_a_refusal_says_the_limit_its_value_and_what_is_used() -> None:
    book = ledger(max_boosted_agents=100)
    assert book.take("a", part(40)) is None
    refusal = book.take("b", part(70, target="service/cart"))
    assert refusal is not None
    assert (refusal.limit, refusal.value, refusal.used) == ("max_boosted_agents", 100, 40)
    expected = "limits.max_boosted_agents is 100; 40 are boosted, and this would boost 70 more"
    assert refusal.reason == expected
    assert book.take("c", part(60, target="service/cart")) is None, "what fits is granted"


def test_agents_that_two_boosts_reach_count_once() -> None:
    book = ledger(max_boosted_agents=60)
    assert book.take("high_cpu", part(60, known=60)) is None
    assert book.take("high_latency", part(60, known=60)) is None
    assert book.boosted_agents == 60


def test_agents_that_two_boosts_share_out_count_as_many_as_there_may_be() -> None:
    book = ledger(max_boosted_agents=10)
    assert book.take("staging", part(6, known=20)) is None
    assert book.take("production", part(6, known=20)) is not None


def test_agents_that_boosts_of_two_profiles_reach_by_one_filter_count_once() -> None:
    book = ledger(max_boosted_agents=12)
    shop = part(6, known=30, meant=6, where="shop")
    assert [book.take(it, shop) for it in ("cpu", "wall", "alloc")] == [None] * 3
    assert book.boosted_agents == 6
    assert book.take("bank", part(6, known=30, meant=8, where="bank")) is None
    assert book.take("bank's wall", part(1, known=30, meant=8, where="bank")) is not None
    assert book.boosted_agents == 12, "the seventh may be another one that is meant"


def test_an_hour_has_so_many_boosts_by_each_rule() -> None:
    book = ledger(max_boosts_per_hour=2)
    assert [book.take(it, part()) for it in ("a", "b")] == [None, None]
    refusal = book.take("c", part())
    assert refusal is not None
    assert (refusal.limit, refusal.value, refusal.used) == ("max_boosts_per_hour", 2, 2)
    assert refusal.reason == (
        "limits.max_boosts_per_hour is 2, and r has granted 2; the next is possible in 1h"
    )
    assert book.take("d", part(rule="other")) is None
    assert book.take("e", part(rule=None)) is None, "overrides are no rule's boosts"
    later = ledger(book.finish(), later_ms=HOUR_MS, max_boosts_per_hour=2)
    assert later.take("f", part()) is None


def test_a_boost_that_ended_early_frees_its_agents_but_was_one_of_this_hours() -> None:
    book = ledger(max_boosted_agents=5, max_boosts_per_hour=1)
    book.take("a", part(5))
    book.end("a")
    assert book.boosted_agents == 0
    refusal = book.take("b", part(5))
    assert refusal is not None
    assert refusal.limit == "max_boosts_per_hour"


def test_a_boost_that_was_never_granted_counts_nowhere() -> None:
    book = ledger(max_boosted_agents=5, max_boosts_per_hour=1)
    book.take("a", part(5))
    book.drop("a")
    assert book.take("b", part(5)) is None


def test_what_one_has_one_may_take_again() -> None:
    book = ledger(max_boosted_agents=5, max_boosts_per_hour=1)
    assert [book.take("a", part(5)) for _ in range(3)] == [None] * 3
    assert book.boosted_agents == 5


def test_reservations_end_by_themselves() -> None:
    book = ledger(max_boosted_agents=5)
    book.take("a", part(5, rule=None))
    budget = book.finish()
    assert ends_ms(budget) >= START_MS + 10 * MINUTE
    assert ledger(budget, later_ms=10 * MINUTE - 1).boosted_agents == 5
    assert ledger(budget, later_ms=10 * MINUTE).boosted_agents == 0
    assert ledger(budget, later_ms=10 * MINUTE).finish() == {}


def test_what_runs_longer_is_counted_for_longer() -> None:
    book = ledger(max_boosted_agents=5)
    book.take("a", part(5))
    book.keep("a", part(9)._replace(expires_at_ms=START_MS + 20 * MINUTE))
    assert ledger(book.finish(), later_ms=19 * MINUTE).boosted_agents == 5


@pytest.mark.parametrize(("kind", "refused"), [("boost", True), ("pin", True), ("cap", False)])
def test_max_frequency_binds_whatever_raises(kind: str, refused: bool) -> None:
    lease = Lease(id="x/1", kind=kind, hz=200, since_ms=0, expires_at_ms=1)  # type: ignore[arg-type]
    refusal = Limits(max_frequency_hz=100).too_fast(lease)
    assert (refusal is not None) == refused
    if refusal:
        assert (refusal.limit, refusal.value, refusal.used) == ("max_frequency", 100, 200)
        said = f"limits.max_frequency is 100 Hz, and this {kind} asks for 200 Hz"
        assert refusal.reason == said
    assert Limits(max_frequency_hz=200).too_fast(lease) is None


def test_max_frequency_binds_each_profile_in_its_own_unit() -> None:
    lease = Lease(id="x/1", kind="boost", hz=200, since_ms=0, expires_at_ms=1, profile="heap")
    refusal = Limits(max_frequency_hz=100).too_fast(lease)
    assert refusal is not None
    said = "limits.max_frequency is 100 an hour, and this boost asks for 200 an hour"
    assert refusal.reason == said


# Never over the limit


@dataclass
class Truth:
    """Who is really boosted, kept without any budget: each boost is a set of agents by name."""

    boosts: dict[str, tuple[int, frozenset[str]]] = field(default_factory=dict)
    grants: list[tuple[str, int]] = field(default_factory=list)

    def boosted(self, now_ms: int) -> int:
        live = [agents for end_ms, agents in self.boosts.values() if end_ms > now_ms]
        return len(frozenset[str]().union(*live))

    def in_an_hour(self, rule: str, now_ms: int) -> int:
        return sum(it == rule and at_ms > now_ms - HOUR_MS for it, at_ms in self.grants)


TARGETS = {f"service/{name}": size for name, size in (("a", 1), ("b", 4), ("c", 9))}


def profiler(target: str, number: int) -> str:
    """What an agent drives: the third and fourth of b share theirs with those of c."""
    shared = target != "service/a" and number in (2, 3)
    return f"@{number}" if shared else f"{target} {number}"


moves = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "keep", "end", "drop"]),
        st.sampled_from(sorted(TARGETS)),
        st.sets(st.integers(0, 8)),  # which of the target's agents
        st.sampled_from([0, 0, 2, 3]),  # of those whose number this filter divides; 0: of all
        st.sampled_from(["r1", "r2", None]),
        st.integers(1, 90),  # for how many minutes
        st.integers(0, 40),  # after how many minutes
    ),
    max_size=60,
)


@given(moves, st.integers(1, 12), st.integers(1, 4))
def test_no_sequence_of_events_passes_a_limit(
    script: list[tuple[str, str, set[int], int, str | None, int, int]], most: int, per_hour: int
) -> None:
    limits = Limits(max_boosted_agents=most, max_boosts_per_hour=per_hour)
    truth, now_ms = Truth(), START_MS
    budget: Budget = {}
    for number, (move, target, picked, means, rule, minutes, passed) in enumerate(script):
        now_ms += passed * MINUTE
        book = Ledger(budget, limits, now_ms)
        live = sorted(name for name, (end_ms, _) in truth.boosts.items() if end_ms > now_ms)
        end_ms = now_ms + minutes * MINUTE
        size = TARGETS[target]
        meant = {it for it in range(size) if not means or it % means == 0}
        agents = frozenset(profiler(target, it % size) for it in picked if it % size in meant)
        wanted = Reservation(
            target=target,
            rule=rule,
            agents=len(agents),
            known=size if agents else 0,
            since_ms=now_ms,
            expires_at_ms=end_ms,
            meant=len(meant) if agents and means else 0,
            filter=f"{means}" if means else "",
            shared=tuple(sorted(it for it in agents if it.startswith("@"))),
        )
        if move == "take":
            if book.take(f"{number}", wanted) is None:
                truth.boosts[f"{number}"] = (end_ms, agents)
                truth.grants += [(rule, now_ms)] if rule else []
        elif move == "drop":  # one whose commit was lost: it raised nobody
            book.take("lost", wanted)
            book.drop("lost")
        elif live and move == "keep":
            before_ms, agents = truth.boosts[live[0]]
            truth.boosts[live[0]] = (max(before_ms, end_ms), agents)
            book.keep(live[0], wanted)
        elif live:
            del truth.boosts[live[0]]
            book.end(live[0])
        budget = decode_budget(encode_budget(book.finish()).encode())
        assert budget == book.finish()
        assert truth.boosted(now_ms) <= Ledger(budget, limits, now_ms).boosted_agents <= most
        for name in ("r1", "r2"):
            assert truth.in_an_hour(name, now_ms) <= per_hour
    assert ends_ms(budget) <= now_ms + 40 * 90 * MINUTE


def test_so_many_boosts_are_counted_and_no_more() -> None:
    full = {f"r/{number}": part(target=f"service/{number}") for number in range(MAX_RESERVATIONS)}
    book = ledger(full, max_boosts_per_hour=MAX_RESERVATIONS * 2)
    refusal = book.take("r/more", part())
    assert refusal is not None
    assert refusal.limit == "max_boosts_per_hour"
    assert book.take("r/0", part()) is None  # what is there is renewed
