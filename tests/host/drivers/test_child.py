"""Child processes end when we do, whatever happens to either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host.processes import exists
from servers import eventually
from upshift_host.drivers import child as module
from upshift_host.drivers.child import Child
from upshift_host.drivers.errors import ProfilerFailed

pytestmark = pytest.mark.servers()  # each starts a process

#: Hands out a child, then waits for ever.
PARENT = """
import sys, threading, time
from upshift_host.drivers.child import Child
made = []
thread = threading.Thread(target=lambda: made.append(Child("sleep", ["1000"])))
thread.start()
thread.join()
print(made[0].pid, flush=True)
time.sleep(1000)
"""


def test_what_it_says_and_what_it_writes_are_kept_apart() -> None:
    child = Child("sh", ["-c", "echo written; echo said >&2"], output=True)
    assert child.finish(5) == 0
    assert (child.output(), child.said()) == ("written\n", "said\n")
    child.close()


def test_output_to_a_path_touches_no_disk() -> None:
    child = Child("sh", ["-c", 'echo written > "$0"', "{output}"])
    assert child.finish(5) == 0
    assert child.output() == "written\n"
    assert abs(child.written_s() - time.time()) < 5
    child.close()


def test_of_much_that_it_says_the_end_is_kept_and_it_never_waits_for_us() -> None:
    child = Child("sh", ["-c", "seq 100000 >&2; echo the reason >&2; exit 3"])
    assert child.finish(20) == 3
    assert child.reason() == "the reason"
    assert len(child.said()) <= module.MAX_SAID
    child.close()


def test_what_it_calls_an_error_is_the_reason_whatever_follows() -> None:
    said = "ERROR: not permitted\nStack backtrace:\n   0: main\n"
    child = Child("sh", ["-c", f"printf '{said}' >&2; exit 1"])
    child.finish(20)
    assert child.reason() == "ERROR: not permitted"
    child.close()


def test_a_program_that_is_not_there_is_told_of_in_a_sentence() -> None:
    with pytest.raises(ProfilerFailed, match="no-such-program is not on the PATH"):
        Child("no-such-program", [])


def test_without_setpriv_it_says_what_that_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETPRIV", "no-such-setpriv")
    with pytest.raises(ProfilerFailed, match="by it sleep ends when we do"):
        Child("sleep", ["1"])


def test_one_that_ends_before_it_is_ready_says_why() -> None:
    child = Child("sh", ["-c", "echo Permission denied >&2; exit 1"])
    with pytest.raises(ProfilerFailed, match="sh did not start: Permission denied"):
        child.wait_for(lambda _: False, 5)


def test_one_that_is_not_ready_in_time_is_killed() -> None:
    child = Child("sleep", ["1000"])
    with pytest.raises(ProfilerFailed, match=r"sleep did not start in 0\.05 s: it said nothing"):
        child.wait_for(lambda _: False, 0.05)
    assert not exists(child.pid)


def test_one_that_hangs_is_killed_with_all_that_it_started() -> None:
    script = "trap '' INT; sleep 1000 & echo $! >&2; while :; do wait; done"
    child = Child("sh", ["-c", script])
    child.wait_for(lambda it: it.said().endswith("\n"), 5)
    below = int(child.said())
    child.interrupt()
    with pytest.raises(ProfilerFailed, match=r"had not ended 0\.1 s after it was told to; killed"):
        child.finish(0.1)
    child.close()
    assert not exists(child.pid)
    eventually(lambda: not exists(below))


def test_it_ends_when_its_parent_is_killed_but_not_when_the_thread_that_asked_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            time.sleep(0.2)  # for a signal that must not come
            assert exists(pid)
        finally:
            parent.send_signal(signal.SIGKILL)
        eventually(lambda: not exists(pid), within_s=2)


def test_closing_gives_back_all_that_it_held() -> None:
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        child = Child("sleep", ["1000"])
        child.close()
        child.close()
    assert set(os.listdir("/proc/self/fd")) == before


def test_it_gets_nothing_of_our_environment_but_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "canary")
    child = Child("env", [], output=True, environment={"GIVEN": "yes"})
    assert child.finish(5) == 0
    names = {line.partition("=")[0] for line in child.output().splitlines()}
    assert names == {"PATH", "LC_ALL", "GIVEN"}
    child.close()
