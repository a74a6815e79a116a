"""A real Go program: profiled for a part of the time, never twice at once, by TLS with a token."""

from __future__ import annotations

import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from host.processes import BUSY
from servers import eventually
from upshift_agent import Decision
from upshift_host.drivers.pprof import duty, scraping
from upshift_host.drivers.pprof.scraping import PprofDriver
from upshift_host.drivers.pprof.target import Address
from upshift_host.profiles.window import Window

pytestmark = pytest.mark.servers("go")
PROFILE_S = 2


class Kept:
    def __init__(self) -> None:
        self.windows: list[Window] = []

    def send(self, window: Window) -> None:
        self.windows.append(window)

    def of(self, profile: str) -> list[Window]:
        return [it for it in self.windows if it.profile == profile]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("go") / "busy-go"
    subprocess.run(["go", "build", "-o", path, BUSY / "pprof/main.go"], check=True)
    return path


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles of 2 s, for nobody wants to wait."""
    monkeypatch.setattr(duty, "PROFILE_S", PROFILE_S)
    monkeypatch.setattr(scraping, "PROFILE_S", PROFILE_S)
    asked = scraping.Asked(f"/profile?seconds={PROFILE_S}", PROFILE_S, "samples", "cpu")
    monkeypatch.setattr(scraping, "ASKED", {**scraping.ASKED, "cpu": asked})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def started(stack: ExitStack, *command: str | Path) -> str:
    """Where it listens."""
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def driver(stack: ExitStack, address: Address) -> tuple[PprofDriver, Kept]:
    kept = Kept()
    made = PprofDriver(address, {"service.name": "checkout"}, kept)
    stack.callback(made.close)
    return made, kept


def set_(driver: PprofDriver, cpu: int, heap: int = 0) -> None:
    driver.apply({"cpu": Decision(hz=cpu), "heap": Decision(hz=heap)})


def in_use(url: str, seconds: int = 1) -> bool:
    """Whether a profile is being taken; if not, one is taken."""
    try:
        with urllib.request.urlopen(f"{url}/profile?seconds={seconds}", timeout=30):
            return False
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 500


def being_taken(url: str) -> bool:
    """Whether a profile is, found without taking one: that would keep others from theirs."""
    with urllib.request.urlopen(f"{url}/goroutine?debug=2", timeout=30) as answer:
        return b"net/http/pprof.Profile(" in answer.read()


def test_a_go_program_is_profiled_for_its_part_of_the_time(stack: ExitStack, program: Path) -> None:
    where = started(stack, program)
    made, kept = driver(stack, Address(url=f"http://{where}/debug/pprof"))
    set_(made, 50, heap=4)
    assert made.says() == "50% of the time at 100 Hz"
    assert made.achieved() == {"cpu": 50.0}
    eventually(lambda: len(kept.of("cpu")) == 2, within_s=30)
    first, second = kept.of("cpu")
    assert first.hz == 100
    assert first.ended_s - first.began_s > 0.95 * PROFILE_S
    assert second.began_s - first.began_s > 1.95 * PROFILE_S
    assert any("spend" in frame for stack in first.samples for frame in stack)
    assert first.count > 0
    (heap,) = kept.of("heap")
    assert sum(heap.weighed().values()) > 60 << 20
    assert any("keep" in frame for stack in heap.samples for frame in stack)

    set_(made, 100)
    assert made.says() == "100% of the time at 100 Hz"
    eventually(lambda: len(kept.of("cpu")) >= 5, within_s=30)
    third, fourth = kept.of("cpu")[-2:]
    assert fourth.began_s - third.began_s > 0.95 * PROFILE_S
    assert made.trouble() is None


def test_somebody_elses_profile_is_waited_for(stack: ExitStack, program: Path) -> None:
    where = started(stack, program)
    url = f"http://{where}/debug/pprof"

    def somebody() -> None:
        while in_use(url, seconds=5):
            pass

    thread = threading.Thread(target=somebody)
    thread.start()
    eventually(lambda: being_taken(url), within_s=30)
    made, kept = driver(stack, Address(url=url))
    set_(made, 100)
    eventually(lambda: made.says() == "waits for somebody else's profile", within_s=30)
    assert made.trouble() is None
    assert made.achieved() == {"cpu": 0.0}
    eventually(lambda: len(kept.of("cpu")) == 1, within_s=30)
    thread.join()


def test_at_0_the_profile_that_is_being_taken_ends(
    stack: ExitStack, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = scraping.Asked("/profile?seconds=60", 60, "samples", "cpu")
    monkeypatch.setattr(scraping, "ASKED", {**scraping.ASKED, "cpu": asked})
    where = started(stack, program)
    url = f"http://{where}/debug/pprof"
    made, kept = driver(stack, Address(url=url))
    set_(made, 100)
    eventually(lambda: being_taken(url), within_s=30)
    set_(made, 0)
    assert made.says() == ""
    eventually(lambda: not being_taken(url), within_s=30)
    assert kept.windows == []


def test_tls_and_a_bearer_token(stack: ExitStack, program: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    where = started(
        stack, program, "127.0.0.1:0", "s3cret", tmp_path / "cert.pem", tmp_path / "key.pem"
    )
    url = f"https://{where}/debug/pprof"
    (tmp_path / "token").write_text("s3cret\n")
    made, kept = driver(
        stack, Address(url=url, token_file=tmp_path / "token", ca_file=tmp_path / "ca.pem")
    )
    set_(made, 100)
    eventually(lambda: len(kept.of("cpu")) == 1, within_s=30)

    for address, why in (
        (Address(url=url, token_file=tmp_path / "token"), "certificate verify failed"),
        (Address(url=url, ca_file=tmp_path / "ca.pem"), "answers 401 who are you?"),
        (Address(url="http://127.0.0.1:1/debug/pprof"), "refused"),
        (
            Address(url=url, token_file=tmp_path / "none", ca_file=tmp_path / "ca.pem"),
            "No such file",
        ),
    ):
        other, _ = driver(stack, address)
        set_(other, 100)
        eventually(lambda other=other: other.trouble() is not None, within_s=30)
        trouble = other.trouble()
        assert trouble is not None
        assert why in trouble[1]
        assert "s3cret" not in trouble[1]
