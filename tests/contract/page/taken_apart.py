"""The contract's page, taken apart: its tables, its blocks, and what its code defines."""

import hashlib
import re
from dataclasses import replace
from typing import Any

from .. import CONTRACT

PAGE = (CONTRACT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```\w+ (\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


def quoted(cell: str) -> str:
    return cell.strip("`")


def table(*header: str) -> list[list[str]]:
    """The cells of the page's tables whose first columns are called so."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif tuple(map(quoted, cells[: len(header)])) == header:
            inside = True
        elif inside and not set(line) <= set("|-"):
            found.append(cells)
    assert found, header
    return found


def code(*names: str) -> dict[str, Any]:
    """What these blocks of the page define."""
    found: dict[str, Any] = {
        "sha256": lambda data: hashlib.sha256(data).digest(),
        "with_leases": lambda plan, leases: replace(plan, leases=tuple(leases)),
        "moved": lambda lease, since, end: replace(lease, since_ms=since, expires_at_ms=end),
    }
    for name in names:
        exec(compile(BLOCKS[name], f"contract page: {name}", "exec"), found)
    return found
