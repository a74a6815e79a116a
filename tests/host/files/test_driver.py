"""What agents see of a shared profiler."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from upshift_agent import Decision
from upshift_host.config.files import FileEntry
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.drivers.kinds import Kind
from upshift_host.fallback import Method
from upshift_host.files.driver import FileDriver, Shared
from upshift_host.files.presets import PRESETS
from upshift_host.files.setup import Setup
from upshift_host.running.carrier import Carrier
from upshift_host.workload import LANGUAGES, Process, Workload


class FakeKeeper:
    """Remembers what was wanted."""

    def __init__(self) -> None:
        self.setup = Setup(
            FileEntry.model_validate({"preset": "file", "file": "/x", "template": "{hz}"}), 19
        )
        self.wants: list[int] = []
        self.words = ""
        self.wrong: tuple[int, str] | None = None

    def want(self, hz: int) -> None:
        self.wants.append(hz)

    def wait(self, _: float) -> None:
        pass

    def in_words(self) -> str:
        return self.words

    def reached(self) -> float | None:
        return float(self.wants[-1])

    def trouble(self, hz: int) -> tuple[int, str] | None:
        return self.wrong if hz > 19 else None


def workload(service: str) -> Workload:
    return Workload(
        attributes={"service.name": service}, language="java", processes=(Process(1, 1),)
    )


@pytest.fixture
def keeper() -> FakeKeeper:
    return FakeKeeper()


@pytest.fixture
def shared(keeper: FakeKeeper) -> Shared:
    return Shared(keeper)  # type: ignore[arg-type]  # as much of one as it takes


def cpu(hz: int) -> Mapping[Any, Decision]:
    return {"cpu": Decision(hz=hz)}


def test_the_highest_share_counts_and_one_that_leaves_does_not(
    keeper: FakeKeeper, shared: Shared
) -> None:
    checkout, cart = (FileDriver(shared, workload(it)) for it in ("checkout", "cart"))
    shared.set_node(5)
    cart.apply(cpu(19))
    assert checkout.apply(cpu(100)) == {"cpu": 100.0}
    assert cart.apply(cpu(20)) == {"cpu": 100.0}, "what the whole profiler does"
    assert cart.says() == "shared by checkout (100 Hz)"
    checkout.close()
    cart.close()
    assert keeper.wants == [5, 19, 100, 100, 20, 5]


def test_a_raise_that_fails_is_the_trouble_of_whoever_wants_it(
    keeper: FakeKeeper, shared: Shared
) -> None:
    checkout, cart = (FileDriver(shared, workload(it)) for it in ("checkout", "cart"))
    keeper.wrong = (3, "it has ended")
    with pytest.raises(ProfilerFailed, match="it has ended"):
        checkout.apply(cpu(100))
    assert checkout.trouble() == (3, "it has ended")
    cart.apply(cpu(19))
    assert cart.trouble() is None


def test_the_agents_driver_is_named_with_what_it_says(keeper: FakeKeeper, shared: Shared) -> None:
    kind = Kind(
        name="theirs",
        method="ebpf",
        profiles=("cpu",),
        languages=frozenset(LANGUAGES),
        why_not=lambda _: None,
        make=lambda workload, _: FileDriver(shared, workload),
    )
    priorities: Mapping[Method, int] = {"ebpf": 1}
    carrier = Carrier(workload("checkout"), {"theirs": kind}, priorities, None)  # type: ignore[arg-type]  # nothing is sent
    assert carrier.name == "theirs"
    carrier.apply(cpu(100))
    keeper.words = "written, in force within 12 s"
    FileDriver(shared, workload("cart")).apply(cpu(19))
    assert carrier.name == "theirs: written, in force within 12 s; shared by cart"


def test_from_any_threads_the_last_want_is_that_of_all_shares(
    keeper: FakeKeeper, shared: Shared
) -> None:
    drivers = [FileDriver(shared, workload(f"s{number}")) for number in range(8)]

    def flap(driver: FileDriver, last: int) -> None:
        for number in range(50):
            driver.apply(cpu(number))
        driver.apply(cpu(last))

    threads = [
        threading.Thread(target=flap, args=(driver, number))
        for number, driver in enumerate(drivers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.wants[-1] == 7


@pytest.mark.parametrize(
    ("preset", "command", "fits"),
    [
        ("otel-collector", "/usr/bin/otelcol-contrib --config=/etc/otelcol/config.yaml", True),
        ("otel-collector", "otelcol", True),
        ("otel-collector", "sh -c /usr/bin/otelcol --config=x", False),
        ("otel-collector", "vi /etc/otelcol/config.yaml", False),
        ("alloy.ebpf", "/bin/alloy run /etc/alloy", True),
        ("alloy.ebpf", "/usr/bin/alloy-upgrade run", False),
        ("alloy.ebpf", "tail -f /var/log/alloy", False),
    ],
)
def test_a_presets_process_is_the_program_and_not_what_names_it(
    preset: str, command: str, fits: bool
) -> None:
    pattern = PRESETS[preset].command
    assert pattern is not None
    assert (re.search(pattern, command) is not None) is fits


def test_files_that_are_made_touch_nothing(tmp_path: Path) -> None:
    from upshift_host.files.keeper import Keeper

    entry = FileEntry.model_validate({"preset": "alloy.ebpf", "file": f"{tmp_path}/x"})
    keeper = Keeper(Setup(entry, 19))
    keeper.want(100)
    assert keeper.close(1.0) is None
    assert list(tmp_path.iterdir()) == []
