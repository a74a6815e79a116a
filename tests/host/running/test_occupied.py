"""Whether an SDK looks after a process, by what the statuses of its service say."""

from __future__ import annotations

import pytest

from upshift_agent.contract import STATUS_LOST_MS, Requested, Status
from upshift_host.running.occupied import Known, Occupied, cared_for
from upshift_host.workload import Process

NOW_MS = 1_800_000_000_000
PROCESS = Known(inner_pid=7, start_ticks=500, hosts=frozenset({"worker-3", "checkout-7d9f"}))


def status(pid: str = "7", ticks: str = "500", host: str = "worker-3", age_ms: int = 0) -> Status:
    return Status(
        instance="x",
        attributes={"process.pid": pid, "upshift.process.start_ticks": ticks, "host.name": host},
        driver="pyroscope",
        at_ms=NOW_MS - age_ms,
        state="applied",
        since_ms=NOW_MS,
        requested=Requested(revs={}, profiles={}),
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (status(), True),
        (status(host="checkout-7d9f"), True),  # as its container calls the host
        (status(host="worker-4"), False),  # the same pid and start, on another host
        (status(pid="8"), False),
        (status(ticks="501"), False),  # the pid was given anew
        (status(age_ms=STATUS_LOST_MS), True),
        (status(age_ms=STATUS_LOST_MS + 1), False),
        (status(age_ms=-STATUS_LOST_MS - 1), False),  # from the future
    ],
)
def test_a_live_status_of_that_process_on_that_host_counts(said: Status, expected: bool) -> None:
    assert cared_for(PROCESS, [status(pid="1"), said], NOW_MS) == expected


def test_where_nobody_knows_what_a_process_calls_its_host_pid_and_start_will_do() -> None:
    unknown = Known(inner_pid=7, start_ticks=500, hosts=frozenset())
    assert cared_for(unknown, [status(host="anything")], NOW_MS)


def test_without_statuses_nobody_looks_after_it() -> None:
    assert not cared_for(PROCESS, [], NOW_MS)


def test_a_process_of_two_names_is_looked_after_if_either_has_an_agent_in_it() -> None:
    occupied = Occupied("redis://a", "upshift")
    process, known = Process(70, 500), {Process(70, 500): PROCESS}
    assert occupied.by_an_sdk(process) is None
    occupied.want({"checkout": known, "checkout-api": known}, 0.0)
    occupied._seen = {"checkout": {process: False}}
    assert occupied.by_an_sdk(process) is None
    occupied._seen["checkout-api"] = {process: False}
    assert occupied.by_an_sdk(process) is False
    occupied._seen["checkout-api"] = {process: True}
    assert occupied.by_an_sdk(process) is True
    occupied.want({"checkout": known}, 1.0)
    assert occupied.by_an_sdk(process) is False
    occupied.want({}, 2.0)
    assert occupied.by_an_sdk(process) is None
