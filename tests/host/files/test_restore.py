"""However the host agent ends, every file is at the baseline again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host.files.conftest import World
from upshift_host.config import load
from upshift_host.files.of_host import Files

#: `make integrations` has 500.
KILLS = 500 if os.environ.get("UPSHIFT_INTEGRATIONS") else 40
ZYGOTE = Path(__file__).parent / "programs/zygote.py"
USERS = "# mine\nreceivers:\n  profiling:\n    samples_per_second: 42  # upshift\nexporters: {}\n"


@pytest.fixture
def config(world: World) -> Path:
    """Every preset, a template, and a number in a user's file; one is a real profiler's."""
    (world.folder / "users.yaml").write_text(USERS)
    path = world.folder / "agent.yaml"
    entries = [
        *({"preset": it, "process": {"command": "."}} for it in
          ("alloy.ebpf", "alloy.java", "alloy.scrape")),
        {"preset": "otel-collector", "file": str(world.file),
         "process": {"command": f"reloader.py {world.file}"}},
        {"preset": "file", "template": "rate {hz}\n", "off": "none at all\n"},
        {"preset": "file", "name": "users", "file": str(world.folder / "users.yaml"),
         "number_before": "# upshift"},
    ]  # fmt: skip
    for entry in entries:
        entry.setdefault("file", f"{world.folder}/{entry['preset']}.conf")
        entry["raises_per_minute"] = 60
    path.write_text(
        json.dumps(
            {
                "redis": "redis://127.0.0.1:6379",
                "pyroscope": {"url": "http://127.0.0.1:4040"},
                "files": entries,
            }
        )
    )
    return path


def at_rest(config: Path) -> dict[str, bool]:
    """By profiler, whether its file says the baseline."""
    found = {}
    for shared in Files(load(config, {})).shared:
        setup = shared.keeper.setup
        content = setup.path.read_bytes()
        found[setup.name] = setup.contents.hz(content, (19,)) == 19
    return found


def upshift_agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "upshift_host", *arguments], capture_output=True, text=True
    )


@pytest.mark.timeout(600)
def test_what_is_killed_at_any_moment_is_brought_back(world: World, config: Path) -> None:
    first = Files(load(config, {}))
    first.start()
    assert all(at_rest(config).values())
    world.start()
    assert first.close(10) == []
    chance = random.Random(KILLS)
    with subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None

        def ask(line: str) -> str:
            print(line, file=zygote.stdin, flush=True)
            return zygote.stdout.readline().strip()

        raised = 0
        for number in range(KILLS):
            pid = int(ask(f"run {config} {number}"))
            time.sleep(chance.random() * 0.2)
            os.kill(pid, signal.SIGKILL)
            raised += not all(at_rest(config).values())
            if chance.random() < 0.5:
                continue  # the next start has to do
            assert ask(f"restore {config}") == "[]"
            assert all(at_rest(config).values())
            assert world.loaded()[-1] == 19
        assert ask(f"restore {config}") == "[]"
        zygote.stdin.close()
    assert raised > KILLS / 4, "or the kills prove nothing"
    assert all(at_rest(config).values())
    left = [it.name for it in world.folder.iterdir() if ".upshift-" in it.name]
    assert left == []
    users = (world.folder / "users.yaml").read_text()
    assert users == USERS.replace("42", "19")


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
