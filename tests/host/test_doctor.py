"""What the doctor finds, as a value and in words, and what the command says of a mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.receiver import Receiver, receiving
from host.test_carrier import FakeKind
from servers import RedisServer, free_port
from upshift_host.discovery import discovery
from upshift_host.examining import kernel
from upshift_host.examining.examination import Examination, examine, in_words

SLEEP = "print(flush=True); import time; time.sleep(600)"


@pytest.fixture
def backend() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that `configured` finds as checkout."""
    # What this process has started would be a host agent's own.
    monkeypatch.setattr(discovery, "_descendants", lambda root, _: {root})
    command = [sys.executable, "-c", SLEEP, tmp_path.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def configured(folder: Path, redis: str, backend: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(
        f"redis: {redis}\npyroscope: {{url: '{backend}'}}\nnode: worker-3\n"
        f"workloads: [{{service: checkout, command: '{folder.name}$'}}]\n"
        "discovery: {environment: false, containers: false}\n"
    )
    return path


def test_the_kernel_is_read_and_what_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/yama").mkdir(parents=True)
    (tmp_path / "sys/kernel/btf").mkdir(parents=True)
    (tmp_path / "sys/kernel/btf/vmlinux").touch()
    (tmp_path / "proc/self/status").write_text("Name:\tx\nCapEff:\t000000c000080000\n")
    (tmp_path / "proc/self/ns/pid").symlink_to("pid:[4026531836]")
    (tmp_path / "proc/sys/kernel/yama/ptrace_scope").write_text("1\n")
    found = kernel.look(tmp_path, programs=["no-such-program"])
    assert found.btf
    assert found.host_pids
    assert found.capabilities == ("CAP_SYS_PTRACE", "CAP_PERFMON", "CAP_BPF")
    assert (found.ptrace_scope, found.perf_event_paranoid) == (1, None)
    assert found.programs == {"no-such-program": None}


def test_capabilities_that_cannot_be_read_are_none() -> None:
    assert kernel.capabilities("CapEff:\tgarbage\n") == kernel.capabilities("") == ()


def doctor(path: Path, **kinds: str | None) -> Examination:
    """kinds: by name, why they cannot."""
    made = {
        name: FakeKind(name, method, ("cpu",), frozenset({"python"}), cannot=cannot)
        for (name, cannot), method in zip(kinds.items(), ("ebpf", "push"), strict=False)
    }
    return examine(path, made)  # type: ignore[arg-type]


def test_it_says_what_would_profile_a_workload_and_why_not_the_one_before(
    tmp_path: Path,
    valkey: RedisServer,
    backend: Receiver,
    workload: subprocess.Popen[bytes],
) -> None:
    found = doctor(configured(tmp_path, valkey.url, backend.url), bpftrace="no BTF", spy=None)
    assert found.well
    (one,) = found.as_json()["workloads"]
    assert one["attributes"]["service.name"] == "checkout"
    assert (one["language"], one["pids"]) == ("python", [workload.pid])
    assert one["profiled_by"] == {"cpu": "spy"}
    assert one["why_not"] == {"bpftrace": "no BTF"}
    said = in_words(found)
    assert f"checkout (python, pid {workload.pid})\n  cpu: spy\n  not bpftrace: no BTF" in said
    assert "Redis: answers" in said


def test_a_workload_that_nothing_can_profile_is_not_well(
    tmp_path: Path,
    valkey: RedisServer,
    backend: Receiver,
    workload: subprocess.Popen[bytes],
) -> None:
    found = doctor(configured(tmp_path, valkey.url, backend.url), spy="may not")
    assert not found.well
    assert "  nothing here can profile it\n  not spy: may not" in in_words(found)


def test_servers_that_are_away_are_told(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    found = doctor(configured(tmp_path, f"redis://{nowhere}", f"http://{nowhere}"))
    assert not found.well
    assert "Connect call failed" in str(found.redis)
    assert "refused" in str(found.backend)
    assert "no workloads: nothing that runs here fits" in in_words(found)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "upshift_host", *arguments],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_answers_programs_with_json_and_a_code(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    path = configured(tmp_path, f"redis://{nowhere}", f"http://{nowhere}")
    done = command("doctor", "--json", "--config", str(path))
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["node"] == "worker-3"
    assert said["redis"]["well"] is said["well"] is False


@pytest.mark.parametrize("verb", ["run", "doctor", "check"])
def test_every_verb_tells_all_mistakes_of_the_configuration(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("redis: redis://a\nselct: []\n")
    done = command(verb, "--config", str(path))
    assert done.returncode == 1
    assert done.stderr == (
        f"upshift-agent: {path}:1:1: give either pyroscope or parca, where profiles are to go\n"
        f'{path}:2:1: unknown field "selct"; did you mean "select"?\n'
    )


def test_a_usage_error_is_code_2_and_says_where_help_is() -> None:
    done = command("run", "--confg", "x")
    assert done.returncode == 2
    assert "`upshift-agent run --help` says more." in done.stderr


def test_the_schema_is_json() -> None:
    assert json.loads(command("check", "--schema").stdout)["title"]
