"""Forks the file drivers of host agents, so that a test can kill hundreds of them.

Lines on standard input: `run CONFIG SEED` answers with the pid of a process that wants one
frequency after the other of every file, `restore CONFIG` with what is not at the baseline.
"""

import errno
import os
import random
import sys
import time
from pathlib import Path

from upshift_host.config import load
from upshift_host.drivers.errors import ProfilerFailed
from upshift_host.files import keeping, place
from upshift_host.files.of_host import Files
from upshift_host.files.profiler import Profiler

write, reload = place._write, Profiler.reload


def run(config: str, seed: int) -> None:
    """Until it is killed: some disks are full, some reloads fail."""
    chance = random.Random(seed)
    keeping.GATHER_S = 0.0
    full, bad = chance.random() < 0.3, chance.random() < 0.3

    def written(file: int, content: bytes) -> None:
        if full and chance.random() < 0.5:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)

    def reloaded(self: Profiler, process: object) -> object:
        if bad and chance.random() < 0.5:
            raise ProfilerFailed("it will not")
        return reload(self, process)  # type: ignore[arg-type]

    place._write, Profiler.reload = written, reloaded  # type: ignore[assignment,method-assign]
    files = Files(load(Path(config), {}))
    files.start()
    while True:
        chance.choice(files.shared).keeper.want(chance.choice((0, 5, 19, 49, 97, 100)))
        time.sleep(chance.random() * 0.003)


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


for line in sys.stdin:
    verb, config, *more = line.split()
    read, answer = os.pipe()
    pid = os.fork()
    if pid == 0:
        if verb == "run":
            run(config, int(more[0]))
        os.write(answer, repr(Files(load(Path(config), {})).restore(20.0)).encode())
        os._exit(0)
    os.close(answer)
    if verb == "run":
        say(str(pid))
    else:
        os.waitpid(pid, 0)
        say(os.read(read, 65536).decode())
    os.close(read)
