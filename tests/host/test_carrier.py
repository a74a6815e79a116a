"""One driver in place of another, as `fallback_strategy` says; the agent sees one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from upshift_agent import Decision, Profile
from upshift_host.errors import CannotProfile
from upshift_host.fallback import REST_S
from upshift_host.running.carrier import ASK_AGAIN_S, Carrier
from upshift_host.workload import Process, Workload

WORKLOAD = Workload(
    attributes={"service.name": "checkout"}, language="java", processes=(Process(70, 500),)
)


@dataclass
class FakeDriver:
    kind: FakeKind
    workload: Workload
    applied: list[dict[str, int]] = field(default_factory=list)
    closed: int = 0

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        if self.kind.error is not None:
            raise self.kind.error
        self.applied.append({profile: it.hz for profile, it in decisions.items()})
        return {profile: float(it.hz) for profile, it in decisions.items()}

    def close(self) -> None:
        self.closed += 1

    def trouble(self) -> tuple[int, str] | None:
        return self.kind.trouble


@dataclass
class FakeKind:
    name: str
    method: Any
    profiles: tuple[Any, ...]
    languages: frozenset[Any] = frozenset({"java"})
    cannot: str | None = None
    error: Exception | None = None
    trouble: tuple[int, str] | None = None
    made: list[FakeDriver] = field(default_factory=list)

    def why_not(self, _: Workload) -> str | None:
        return self.cannot

    def make(self, workload: Workload, _: object) -> FakeDriver:
        self.made.append(FakeDriver(self, workload))
        return self.made[-1]


class Stage:
    """A carrier over two fakes, a clock to turn, and the work that is left for later."""

    def __init__(self, workload: Workload = WORKLOAD) -> None:
        self.now = 0.0
        self.ebpf = FakeKind("bpftrace", "ebpf", ("cpu", "wall"))
        self.push = FakeKind("jfr", "push", ("cpu", "alloc"))
        self.work: list[Callable[[], None]] = []
        self._workload = workload

    def carrier(self) -> Carrier:
        kinds: dict[str, Any] = {it.name: it for it in (self.push, self.ebpf)}
        return Carrier(
            self._workload,
            kinds,
            {"ebpf": 1, "push": 2},
            None,
            now=lambda: self.now,
            later=self.work.append,
        )

    def look(self, carrier: Carrier) -> None:
        carrier.look()
        while self.work:
            self.work.pop(0)()


@pytest.fixture
def stage() -> Stage:
    return Stage()


def wanted(**hz: int) -> dict[Any, Decision]:
    return {"cpu": Decision(hz=19), **{profile: Decision(hz=it) for profile, it in hz.items()}}


def test_the_first_method_carries_what_it_can_and_the_next_one_the_rest(stage: Stage) -> None:
    carrier = stage.carrier()
    assert carrier.profiles == ("cpu", "wall", "alloc")
    achieved = carrier.apply(wanted(cpu=100, wall=5, alloc=50))
    assert stage.ebpf.made[0].applied == [{"cpu": 100, "wall": 5}]
    assert stage.push.made[0].applied == [{"cpu": 0, "alloc": 50}]
    assert achieved == {"cpu": 100.0, "wall": 5.0, "alloc": 50.0}


def test_the_name_says_which_methods_run_and_why_not_the_one_before(stage: Stage) -> None:
    stage.ebpf.cannot = "no CAP_BPF"
    assert stage.carrier().name == "jfr (not bpftrace: no CAP_BPF)"


def test_while_all_is_off_nothing_runs_and_the_name_says_what_would(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted(cpu=19))
    carrier.apply(wanted(cpu=0))
    assert stage.ebpf.made[0].closed == 1
    assert carrier.name == "bpftrace, jfr"


def test_a_driver_that_fails_is_told_of_and_tried_again(stage: Stage) -> None:
    stage.ebpf.error = OSError("broken")
    carrier = stage.carrier()
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            carrier.apply(wanted())
    stage.ebpf.error = None
    assert carrier.apply(wanted()) == {"cpu": 19.0}
    assert len(stage.ebpf.made) == 1


def test_the_third_failure_in_a_row_gives_way_in_the_same_call(stage: Stage) -> None:
    stage.ebpf.error = OSError("broken")
    carrier = stage.carrier()
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            carrier.apply(wanted())
    assert carrier.apply(wanted(cpu=100)) == {"cpu": 100.0}
    assert stage.push.made[0].applied[-1] == {"cpu": 100}
    assert stage.ebpf.made[0].closed == 1
    assert carrier.name == "jfr (not bpftrace: failed 3 times in a row: OSError: broken)"


def test_windows_that_bring_nothing_three_times_in_a_row_give_way_without_a_new_decision(
    stage: Stage,
) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted(cpu=100))
    stage.ebpf.trouble = (2, "no samples")
    stage.look(carrier)
    assert stage.push.made == []
    stage.ebpf.trouble = (3, "no samples")
    stage.look(carrier)
    assert stage.push.made[0].applied == [{"cpu": 100}]
    assert stage.ebpf.made[0].closed == 1
    assert carrier.trouble() is None


def test_after_five_minutes_the_first_method_has_its_turn_again(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted(cpu=100))
    stage.ebpf.trouble = (3, "no samples")
    stage.look(carrier)
    stage.now, stage.ebpf.trouble = REST_S, None
    stage.look(carrier)
    assert stage.ebpf.made[-1].applied == [{"cpu": 100}]
    assert carrier.name == "bpftrace"


def test_where_every_method_has_failed_the_trouble_is_told(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted())
    stage.push.cannot = "no JDK"
    carrier = stage.carrier()
    carrier.apply(wanted())
    stage.ebpf.trouble = (3, "no samples")
    stage.look(carrier)
    assert carrier.trouble() == (
        "nothing here can raise cpu: bpftrace: failed 3 times in a row: no samples; jfr: no JDK"
    )
    with pytest.raises(CannotProfile):
        carrier.apply(wanted())


def test_what_nobody_wants_needs_nobody_to_raise_it(stage: Stage) -> None:
    stage.ebpf.cannot = stage.push.cannot = "no"
    assert stage.carrier().apply({"cpu": Decision(hz=0)}) == {}


def test_a_language_without_a_driver_says_so() -> None:
    stage = Stage(
        Workload(attributes={"service.name": "x"}, language="go", processes=(Process(1, 1),))
    )
    carrier = stage.carrier()
    assert carrier.profiles == ("cpu",)
    with pytest.raises(CannotProfile, match="nothing here can raise cpu: no driver is for go"):
        carrier.apply(wanted())


def test_what_could_not_work_is_asked_again_after_five_minutes(stage: Stage) -> None:
    stage.ebpf.cannot = "not on the PATH"
    carrier = stage.carrier()
    carrier.apply(wanted())
    stage.ebpf.cannot = None
    stage.now = ASK_AGAIN_S - 1
    stage.look(carrier)
    assert stage.ebpf.made == []
    stage.now = ASK_AGAIN_S
    stage.look(carrier)
    assert stage.ebpf.made[0].applied == [{"cpu": 19}]
    assert stage.push.made[0].closed == 1


def test_a_driver_that_cannot_be_told_of_new_processes_is_made_anew(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted(cpu=100))
    more = Workload(
        attributes=WORKLOAD.attributes,
        language="java",
        processes=(*WORKLOAD.processes, Process(71, 600)),
    )
    carrier.changed(more)
    stage.look(carrier)
    former, present = stage.ebpf.made
    assert (former.closed, present.workload, present.applied) == (1, more, [{"cpu": 100}])


def test_closing_closes_what_runs_and_nothing_begins_afterwards(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted(alloc=50))
    carrier.close()
    assert [stage.ebpf.made[0].closed, stage.push.made[0].closed] == [1, 1]
    stage.ebpf.trouble = (3, "no samples")
    stage.now = REST_S * 2
    stage.look(carrier)
    assert (len(stage.ebpf.made), len(stage.push.made)) == (1, 1)


def test_an_agent_that_was_closed_can_be_started_again(stage: Stage) -> None:
    carrier = stage.carrier()
    carrier.apply(wanted())
    carrier.close()
    assert carrier.apply(wanted(cpu=49)) == {"cpu": 49.0}
