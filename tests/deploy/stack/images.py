"""The images of deploy/docker, built without a daemon and without a registry.

buildah does what the Dockerfile says, in a chroot. Its base is Debian's own packages, put together
by debootstrap once, in a cache outside the repository.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.table import ROOT

NEEDS = ("buildah", "debootstrap", "runc")
BASE = "localhost/base"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "upshift/images")
STORAGE = ("--root", str(CACHE / "storage"), "--runroot", str(CACHE / "run"))
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def buildah(*arguments: str, within_s: float = 300) -> str:
    """What it prints. Raise `AssertionError` with its complaints where it fails."""
    surroundings = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(CACHE)}
    verb, *rest = arguments
    run = subprocess.run(
        ["buildah", *STORAGE, verb, *rest],
        capture_output=True,
        text=True,
        timeout=within_s,
        env=surroundings,
        cwd=ROOT,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-4_000:]
    return run.stdout.strip()


@dataclass(frozen=True)
class Image:
    name: str

    @property
    def config(self) -> dict[str, Any]:
        """As a registry would tell it: user, environment, entry point, health check."""
        found = json.loads(buildah("inspect", "--type", "image", self.name))
        return dict(found["Docker"]["config"])

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Its files, as a container of its own."""
        container = buildah("from", "--pull-never", self.name)
        try:
            yield Path(buildah("mount", container))
        finally:
            buildah("umount", container)
            buildah("rm", container)


@functools.cache
def built(target: str) -> Image:
    """The image of one `--target` of the Dockerfile, as it is now."""
    _base()
    image = Image(f"localhost/upshift-{target}")
    buildah(
        *("build", "--layers", "--format", "docker", "--pull-never"),
        *("--build-arg", f"BASE={BASE}", *_trust()),
        *("-f", "deploy/docker/Dockerfile", "--target", target, "-t", image.name, "."),
        within_s=900,
    )
    return image


def _base() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with suppress(AssertionError):
        buildah("inspect", "--type", "image", BASE)  # lists of images take their sizes, and time
        return
    root = CACHE / "base"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", str(root)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=600,
    )
    container = buildah("from", "scratch")
    buildah("add", "-q", container, str(root), "/", within_s=300)
    buildah("commit", "-q", container, BASE, within_s=300)
    buildah("rm", container)
    shutil.rmtree(root)


def _trust() -> list[str]:
    """Whom this machine trusts, pip trusts in there, too: it may reach its index by a proxy."""
    if not CERTIFICATES.exists():
        return []
    trust = CACHE / "trust"
    trust.mkdir(exist_ok=True)
    shutil.copy(CERTIFICATES, trust / "ca.crt")
    (trust / "pip.conf").write_text("[global]\ncert = /trust/ca.crt\n")
    return ["-v", f"{trust}:/trust:ro", "-v", f"{trust}/pip.conf:/etc/pip.conf:ro"]
