"""A real profiler that reloads by SIGHUP or HTTP: raised, ended, refused, killed, edited."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from host.files.conftest import World
from servers import eventually
from upshift_host.files import place


def test_a_raise_is_written_and_loaded_and_its_end_is_in_the_file_at_once(world: World) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep()
    keeper.want(100)
    assert keeper.in_words().startswith("written in ")
    world.until_loaded(100)
    eventually(lambda: keeper.in_words() == "", within_s=30)
    assert keeper.reached() == 100.0
    assert world.rest.read_text() == "rate: 19\n", "for a full disk, and for the next start"
    keeper.want(19)
    assert world.says() == "rate: 19\n"
    world.until_loaded(19)
    assert world.loaded() == [19, 100, 19]
    eventually(lambda: not world.rest.exists(), within_s=30)


def test_at_the_start_a_file_that_is_not_there_is_written(world: World) -> None:
    keeper = world.keep(process=None, reload=None, check=None)
    assert world.says() == "rate: 19\n"
    assert world.file.stat().st_mode & 0o777 == 0o644
    keeper.wait(5)


def test_a_profiler_that_is_told_by_http(world: World) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep(reload={"http": f"http://127.0.0.1:{world.port}/reload"})
    keeper.want(100)
    world.until_loaded(100)
    keeper.want(5)
    world.until_loaded(5)


def test_a_profiler_that_is_restarted_by_a_command(world: World, tmp_path: Path) -> None:
    """As Parca Agent is: another process, which reads the file when it begins."""
    world.file.write_text("rate: 19\n")
    first = world.start()
    restart = tmp_path / "restart.py"
    restart.write_text(
        "import os, subprocess, sys\n"
        "os.kill(int(sys.argv[1]), 9)\n"
        "subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, start_new_session=True)\n"
    )
    command = [
        *(sys.executable, "-I", str(restart), str(first.pid)),
        *map(str, first.args),  # type: ignore[union-attr]  # a list
    ]
    world.stack.callback(lambda: _end_others(world))
    keeper = world.keep(reload={"command": command})
    keeper.want(100)
    world.until_loaded(100)
    assert keeper.trouble(100) is None


def _end_others(world: World) -> None:
    process = world.setup().process
    assert process is not None
    from upshift_host.discovery.procfs import Procfs
    from upshift_host.files.profiler import find

    while (one := find(Procfs(), process)) is not None:
        os.kill(one.pid, signal.SIGKILL)


def test_a_raise_that_the_check_refuses_changes_nothing(world: World) -> None:
    world.file.write_text("rate: 19  # upshift\nbroken: no\n")
    world.start()
    keeper = world.keep(number_before="# upshift")
    before = world.file.read_bytes()
    keeper.want(100)
    eventually(lambda: keeper.trouble(100) is not None, within_s=30)
    trouble = keeper.trouble(100)
    assert trouble is not None
    assert "it is broken" in trouble[1]
    assert world.file.read_bytes() == before
    assert world.loaded() == [19]
    assert keeper.trouble(19) is None, "whoever wants no more has all that it wants"


def test_a_reload_that_is_refused_is_undone(world: World) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep(reload={"http": f"http://127.0.0.1:{world.port + 1}/reload"})
    keeper.want(100)
    eventually(lambda: keeper.trouble(100) is not None, within_s=30)
    assert world.says() == "rate: 19\n"
    assert "Connection refused" in str(keeper.trouble(100))


def test_a_reload_that_ends_the_profiler_is_noticed_and_undone_within_10_s(world: World) -> None:
    world.file.write_text("rate: 19\n")
    process = world.start()
    keeper = world.keep()
    keeper.want(700)
    process.wait(30)
    eventually(lambda: world.says() == "rate: 19\n", within_s=30)
    trouble = keeper.trouble(700)
    assert trouble is not None
    assert trouble[0] >= 3, "so that another method has its turn at once"
    assert trouble[1] == "700 Hz: it has ended of the reload"
    world.start()
    # It reads the file by itself, and is told of it once it is old enough to be.
    eventually(lambda: world.loaded()[-2:] == [19, 19], within_s=30)
    assert world.says() == "rate: 19\n"


def test_a_profiler_that_has_died_of_a_raise_is_started_where_there_is_a_command(
    world: World, tmp_path: Path
) -> None:
    world.file.write_text("rate: 19\n")
    process = world.start()
    (tmp_path / "start.py").write_text(
        "import subprocess, sys\n"
        "subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, start_new_session=True)\n"
    )
    start = [sys.executable, "-I", str(tmp_path / "start.py"), *map(str, process.args)]  # type: ignore[union-attr]  # a list
    world.stack.callback(lambda: _end_others(world))
    keeper = world.keep(start=start)
    keeper.want(700)
    process.wait(30)
    world.until_loaded(19)
    assert world.loaded()[:3] == [19, 700, 19]


def test_an_end_is_written_though_its_reload_fails_and_that_is_tried_again(world: World) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep(reload={"http": f"http://127.0.0.1:{world.port}/reload"})
    keeper.want(100)
    world.until_loaded(100)
    process = world.processes[0]
    process.send_signal(signal.SIGSTOP)
    keeper.want(19)
    assert world.says() == "rate: 19\n"
    eventually(lambda: keeper.trouble(19) is not None, within_s=30)
    assert "not reloaded" in str(keeper.trouble(19))
    process.send_signal(signal.SIGCONT)
    world.until_loaded(19, within_s=30)
    eventually(lambda: keeper.trouble(19) is None, within_s=30)


def test_a_full_disk_keeps_no_end_from_the_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep()
    keeper.want(100)
    world.until_loaded(100)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(place, "_write", full)
    keeper.want(49)
    assert world.says() == "rate: 19\n", "what was laid by; lower than asked for, but not above"
    keeper.want(19)
    world.until_loaded(19)
    keeper.want(100)
    eventually(lambda: "No space left" in str(keeper.trouble(100)), within_s=30)
    assert world.says() == "rate: 19\n"


def test_what_others_write_into_the_file_is_put_right(world: World) -> None:
    world.file.write_text("a: 19  # upshift\n")
    world.start()
    keeper = world.keep(number_before="# upshift")
    keeper.want(100)
    world.until_loaded(100)
    world.file.write_text("# edited: by hand\na: 300  # upshift\nb: 1\n")
    eventually(lambda: world.says() == "# edited: by hand\na: 100  # upshift\nb: 1\n", within_s=30)
    keeper.want(19)
    assert world.says() == "# edited: by hand\na: 19  # upshift\nb: 1\n"


def test_a_profiler_that_does_not_run_is_told_and_no_raise_is_written_for_it(world: World) -> None:
    keeper = world.keep()
    assert keeper.why_not() == "it does not run here"
    keeper.want(100)
    eventually(lambda: "it does not run" in str(keeper.trouble(100)), within_s=30)
    assert world.says() == "rate: 19\n"
    world.start()
    world.until_loaded(100, within_s=30)


def test_two_raises_make_one_reload_and_at_most_so_many_a_minute(world: World) -> None:
    world.file.write_text("rate: 19\n")
    world.start()
    keeper = world.keep(raises_per_minute=2, check=None)
    for hz in (30, 31, 32):
        keeper.want(hz)
    world.until_loaded(32)
    keeper.want(33)
    world.until_loaded(33)
    keeper.want(34)
    assert int(keeper.in_words().split()[2]) > 20, "a minute is not over"
    keeper.want(19)
    world.until_loaded(19)
    assert world.loaded() == [19, 32, 33, 19]


def test_mode_and_link_of_the_file_stay(world: World, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real/profiler.conf"
    real.write_text("rate: 19\n")
    real.chmod(0o640)
    world.file.symlink_to(real)
    world.start()
    keeper = world.keep(process={"command": f"reloader.py {world.file}"})
    keeper.want(100)
    world.until_loaded(100)
    assert world.file.is_symlink()
    assert real.read_text() == "rate: 100\n"
    assert real.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["folder", "fifo", "huge"])
def test_what_is_no_file_is_left_alone(world: World, kind: str) -> None:
    if kind == "folder":
        world.file.mkdir()
    elif kind == "fifo":
        os.mkfifo(world.file)
    else:
        with world.file.open("wb") as file:
            file.truncate(2 << 20)
    keeper = world.keep(process=None, reload=None, check=None)
    eventually(lambda: keeper.trouble(19) is not None, within_s=30)
    assert "cannot be written" in str(keeper.trouble(19))
    keeper.want(100)
    assert keeper.close(0.2) is not None
