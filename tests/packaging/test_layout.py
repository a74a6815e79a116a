"""Folders that can be looked over, and modules that can be read at a sitting."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("agents-sdk", "controller", "deploy", "rules", "tests")
MODULES = 12  # in a folder, besides `__init__.py`
LINES = 250  # of a module
#: A line of a module's docstring that begins so has the reason.
REASON = "Long, because"


def folders() -> Iterator[tuple[str, list[Path]]]:
    """Each folder of the repository, and the modules in it, but not below."""
    for part in PARTS:
        for folder, below, files in os.walk(ROOT / part):
            below[:] = [it for it in below if not it.startswith((".", "__"))]
            modules = [
                Path(folder, it) for it in files if it.endswith(".py") and it != "__init__.py"
            ]
            yield Path(folder).relative_to(ROOT).as_posix(), modules


def has_a_reason(module: str) -> bool:
    said = ast.get_docstring(ast.parse(module)) or ""
    return any(line.startswith(REASON) for line in said.splitlines())


def test_no_folder_has_more_than_12_modules() -> None:
    full = {name for name, modules in folders() if len(modules) > MODULES}
    assert full == set()


def test_a_module_of_more_than_250_lines_says_why() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for _, modules in folders()
        for path in modules
        if len((text := path.read_text()).splitlines()) > LINES and not has_a_reason(text)
    }
    assert long == set()
