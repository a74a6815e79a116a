"""Real servers that no package brings: build.sh builds each once, outside the repository."""

import os
import re
from pathlib import Path

BUILD = Path(__file__).with_name("build.sh")


def program(part: str) -> Path:
    """Where `part`, by the name that build.sh has for it, is once it has been built."""
    name = re.escape(part.replace("-", "_"))
    version = re.search(rf"^{name}=(\S+)", BUILD.read_text(), re.MULTILINE)
    assert version is not None, f"{BUILD.name} has no part {part}"
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    parts = os.environ.get("UPSHIFT_PARTS") or f"{cache}/upshift/parts"
    return Path(parts, f"{part}-{version[1]}")
