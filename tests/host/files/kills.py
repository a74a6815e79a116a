"""A host agent's files under a rain of SIGKILLs, full disks and bad reloads, over every preset."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from host.files.conftest import World
from upshift_host.config import load
from upshift_host.files.of_host import Files

ZYGOTE = Path(__file__).parent / "programs/zygote.py"
USERS = "# mine\nreceivers:\n  profiling:\n    samples_per_second: 42  # upshift\nexporters: {}\n"


def every_preset(world: World) -> Path:
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


def kill_and_restore(world: World, kills: int) -> None:
    """Each time another one, at any moment; half of them are followed by `restore` at once."""
    config = every_preset(world)
    first = Files(load(config, {}))
    first.start()
    assert all(at_rest(config).values())
    world.start()
    assert first.close(10) == []
    chance = random.Random(kills)
    with subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None

        def ask(line: str) -> str:
            print(line, file=zygote.stdin, flush=True)
            return zygote.stdout.readline().strip()

        raised = 0
        for number in range(kills):
            pid = int(ask(f"run {config} {number}"))
            deadline = time.monotonic() + (5 if chance.random() < 0.75 else 0)
            while all(at_rest(config).values()) and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.05)
            os.kill(pid, signal.SIGKILL)
            raised += not all(at_rest(config).values())
            if chance.random() < 0.5:
                continue  # the next start has to do
            assert ask(f"restore {config}") == "[]"
            assert all(at_rest(config).values())
            world.until_loaded(19)
        assert ask(f"restore {config}") == "[]"
        zygote.stdin.close()
    assert raised > kills / 4, "or the kills prove nothing"
    assert all(at_rest(config).values())
    left = [it.name for it in world.folder.iterdir() if ".upshift-" in it.name]
    assert left == []
    users = (world.folder / "users.yaml").read_text()
    assert users == USERS.replace("42", "19")
