"""The OpenTelemetry Collector, for real: told, checked, killed and put back.

Whether its eBPF programs load depends on the machine: sampling itself is not tested here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integrations.files.collector import USERS, check, collecting
from parts import BUILD, program
from servers import eventually
from upshift_host.config.files import FileEntry
from upshift_host.files.keeper import Keeper
from upshift_host.files.setup import Setup

pytestmark = [
    pytest.mark.servers("go"),
    pytest.mark.usefixtures("built"),
    pytest.mark.timeout(900),  # the first time it is built
]


@pytest.fixture(scope="session")
def built() -> None:
    subprocess.run(["sh", BUILD, "otelcol"], check=True)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(USERS)
    return path


def keep(stack: ExitStack, file: Path, **entry: Any) -> Keeper:
    entry = {
        "preset": "otel-collector",
        "file": str(file),
        "process": {"command": f"^{program('otelcol')} .*{file.parent}"},
        **entry,
    }
    keeper = Keeper(Setup(FileEntry.model_validate(entry), 19))
    stack.callback(lambda: keeper.close(5.0))
    keeper.start()
    return keeper


def settled(keeper: Keeper) -> bool:
    return keeper.in_words() == ""


def test_our_file_is_merged_over_the_users_and_the_collector_survives_each_reload(
    stack: ExitStack, users: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "receiver.yaml"
    keeper = keep(stack, ours, check=check(users, "{file}"))
    collector = stack.enter_context(collecting(tmp_path, users, ours))
    for number, hz in enumerate((100, 49, 0, 19)):
        keeper.want(hz)
        eventually(lambda: settled(keeper), within_s=30)
        assert f"samples_per_second: {max(hz, 1)}\n" in ours.read_text()
        assert collector.alive()
        assert keeper.trouble(hz) is None
        assert collector.reloads() == number + 1
    assert keeper.reached() == 19.0
    assert users.read_text() == USERS


def test_a_users_own_config_is_driven_and_loses_no_byte(
    stack: ExitStack, users: Path, tmp_path: Path
) -> None:
    collector = stack.enter_context(collecting(tmp_path, users))
    keeper = keep(stack, users, number_before="# upshift", check=check("{file}"))
    keeper.want(100)
    eventually(lambda: keeper.reached() == 100.0, within_s=30)
    assert users.read_text() == USERS.replace("second: 20 ", "second: 100 ")
    keeper.want(19)
    assert users.read_text() == USERS.replace("second: 20 ", "second: 19 ")
    eventually(lambda: keeper.reached() == 19.0, within_s=30)
    assert collector.alive()


def test_what_validate_refuses_is_never_loaded(
    stack: ExitStack, users: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "receiver.yaml"
    keeper = keep(stack, ours, check=check(users, "{file}"))
    collector = stack.enter_context(collecting(tmp_path, users, ours))
    eventually(lambda: settled(keeper), within_s=30)  # its first reload would read what follows
    users.write_text(USERS.replace("exporters: [debug]", "exporters: [nowhere]"))
    keeper.want(100)
    eventually(lambda: keeper.trouble(100) is not None, within_s=30)
    assert "nowhere" in str(keeper.trouble(100))
    assert "samples_per_second: 19\n" in ours.read_text()
    assert collector.alive()


def test_a_reload_that_ends_it_is_undone_and_it_starts_again_at_the_baseline(
    stack: ExitStack, users: Path, tmp_path: Path
) -> None:
    ours = tmp_path / "receiver.yaml"
    # Of a threshold there are no more than 100, and nobody checks.
    template = "receivers:\n  profiling:\n    probabilistic_threshold: {hz}\n"
    keeper = keep(stack, ours, preset="file", template=template, reload={"signal": "HUP"})
    collector = stack.enter_context(collecting(tmp_path, users, ours, supervised=True))
    keeper.want(200)
    eventually(lambda: keeper.trouble(200) is not None, within_s=30)
    trouble = keeper.trouble(200)
    assert trouble is not None
    assert trouble[1] == "200 Hz: it has ended of the reload"
    assert "probabilistic_threshold: 19\n" in ours.read_text()
    eventually(lambda: collector.starts() >= 2, within_s=30)
    eventually(lambda: keeper.trouble(19) is None, within_s=15)
