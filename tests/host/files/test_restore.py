"""However the host agent ends, every file is at the baseline again."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from host.files.conftest import World
from host.files.kills import every_preset, kill_and_restore
from servers import eventually
from upshift_host.config import load
from upshift_host.files import place
from upshift_host.files.of_host import Files


@pytest.fixture
def config(world: World) -> Path:
    return every_preset(world)


def upshift_agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "upshift_host", *arguments], capture_output=True, text=True
    )


def test_what_is_killed_at_any_moment_is_brought_back(world: World) -> None:
    kill_and_restore(world, 40)  # 500 in `make integrations`


def test_restore_is_a_command_for_after_the_end(world: World, config: Path) -> None:
    files = Files(load(config, {}))
    for shared in files.shared[:3]:
        setup = shared.keeper.setup
        setup.path.write_bytes(setup.contents.at(100, None))
    done = upshift_agent("restore", "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert "4 files of profilers are" in done.stdout, "the others were never there"
    for shared in files.shared[:3]:
        setup = shared.keeper.setup
        assert setup.contents.hz(setup.path.read_bytes(), (19,)) == 19


def test_restore_says_what_is_not_at_the_baseline(world: World, config: Path) -> None:
    (world.folder / "users.yaml").write_text("no mark\n")
    done = upshift_agent("restore", "--config", str(config))
    assert done.returncode == 1
    assert "users.yaml must have one line with '# upshift'" in done.stderr


def test_without_files_there_is_nothing_to_restore(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("redis: redis://a\npyroscope: {url: 'http://b'}\n")
    assert upshift_agent("restore", "--config", str(path)).returncode == 0


def test_on_a_full_disk_the_baseline_is_not_written_before_it_is_known_to_be_untold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a kill before the reload would leave a profiler at 5 Hz, and a file that says 19."""
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep()
    write = place._write

    def some_room(file: int, content: bytes) -> None:
        if content == b"rate: 19\n":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)

    with monkeypatch.context() as full:
        full.setattr(place, "_write", some_room)
        keeper.want(5)
        world.until_loaded(5)
        keeper.want(19)
        assert "No space left" in str(keeper.trouble(19))
        assert world.says() == "rate: 5\n"
    world.until_loaded(19)
    eventually(lambda: not world.rest.exists(), within_s=30)
