"""`upshift-agent lend`: what `exec` puts into an application, as a folder for its `PYTHONPATH`.

For an init container, where the application's own image has nothing of Upshift in it.
"""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from ..errors import StartRefused
from .exec import FOLDER, LENT

#: Beside `sitecustomize`, which looks for it there.
BESIDE = "lent"


def lend(folder: Path) -> str:
    """Copy it there, over what an earlier start has left; what to print. Raise `StartRefused`."""
    origins = {name: spec.origin for name in LENT if (spec := find_spec(name)) and spec.origin}
    if "pyroscope" not in origins:
        raise StartRefused("pyroscope-io is not installed here: pip install 'upshift-host[exec]'")
    try:
        (folder / BESIDE).mkdir(parents=True, exist_ok=True)
        for origin in map(Path, origins.values()):
            if origin.name == "__init__.py":
                _copy_folder(origin.parent, folder / BESIDE / origin.parent.name)
            else:
                shutil.copyfile(origin, folder / BESIDE / origin.name)
        _copy_folder(FOLDER, folder)
    except (OSError, shutil.Error) as error:
        raise StartRefused(f"cannot copy into {folder}: {error}") from error
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{folder} is ready, for applications on Python {version} with PYTHONPATH={folder}"


def _copy_folder(source: Path, target: Path) -> None:
    shutil.copytree(
        source,
        target,
        ignore=shutil.ignore_patterns("__pycache__"),
        copy_function=shutil.copyfile,  # modes and owners are the target's own
        dirs_exist_ok=True,
    )
