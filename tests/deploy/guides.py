"""deploy/guides as programs: the files that a guide shows, and the commands that it is for."""

from __future__ import annotations

import re
from pathlib import Path

from deploy.table import ROOT

FOLDER = ROOT / "deploy/guides"
NOT_TRIED = "# Not tried"
_BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")
_NAMED = re.compile(r"# (\S+\.yaml)\n")


def pages() -> list[Path]:
    return sorted(it for it in FOLDER.glob("*.md") if it.name != "README.md")


def commands(page: Path) -> list[str]:
    """Its blocks of shell, those left out that say so in their first line."""
    blocks = [text for language, text in _BLOCK.findall(page.read_text()) if language == "sh"]
    return [it for it in blocks if not it.startswith(NOT_TRIED)]


def files(page: Path) -> dict[str, str]:
    """YAML that begins with its file's name, by that name."""
    blocks = [text for language, text in _BLOCK.findall(page.read_text()) if language == "yaml"]
    return {named[1]: text for text in blocks if (named := _NAMED.match(text))}
