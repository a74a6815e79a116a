"""The rule about missing servers: said aloud here, a failure in CI."""

import subprocess
import sys
from pathlib import Path

import pytest

from servers import PACKAGES, may_be_left_out, what_is_missing


def test_nothing_is_missing_where_everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    assert what_is_missing(*PACKAGES) is None


def test_a_missing_server_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert what_is_missing("promtool", "prometheus", "amtool") == (
        "not installed: promtool, prometheus, amtool. On Debian or Ubuntu: sudo apt-get install"
        " --no-install-recommends prometheus prometheus-alertmanager"
    )


@pytest.mark.parametrize(("ci", "left_out"), [("true", False), ("", True), ("false", True)])
def test_only_ci_insists(monkeypatch: pytest.MonkeyPatch, ci: str, left_out: bool) -> None:
    monkeypatch.setenv("CI", ci)
    assert may_be_left_out() is left_out


def test_what_a_suite_in_the_background_starts_hears_an_interrupt() -> None:
    child = "import signal; print(signal.getsignal(signal.SIGINT))"
    suite = "import signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    suite += f"import conftest; subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    command = [sys.executable, "-c", suite]
    said = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert "default_int_handler" in said.stdout
