"""Another revision of this repository, beside the working tree and ready to run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .program import TREE, Code

LOCK = "deploy/requirements.lock"


@contextmanager
def checked_out(revision: str) -> Iterator[Code]:
    """The files of `revision`, for as long. Raise `SystemExit` if git knows no such one.

    They have an environment of their own only where they pin other dependencies.
    """
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        archive = ["git", "-C", str(TREE), "archive", revision]
        packed = subprocess.run(archive, stdout=subprocess.PIPE, check=False)
        if packed.returncode:
            raise SystemExit(packed.returncode)
        subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
        yield Code(Path(folder), _python(Path(folder)))


def _python(tree: Path) -> str:
    if (tree / LOCK).read_bytes() == (TREE / LOCK).read_bytes():
        return sys.executable
    environment = ".venv/demo"
    make = ["make", "--silent", f"PYTHON={sys.executable}", f"{environment}/.ready"]
    subprocess.run(make, cwd=tree, check=True, stdout=sys.stderr)
    return str(tree / environment / "bin/python")
