"""Nothing is unpickled, evaluated, run by a shell or loaded unsafely, anywhere in the packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    *("controller/upshift_controller", "rules/upshift_rules"),
    *("agents-sdk/python/src", "agents-sdk/host/src"),
]
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "joblib"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
#: Attributes that load or run more than data, whatever they are taken from.
ATTRIBUTES = {
    *("unsafe_load", "full_load", "unsafe_load_all", "full_load_all", "UnsafeLoader"),
    *("FullLoader", "system", "popen", "execl", "execv", "import_string"),
}
#: yaml's functions that take a loader; ours are its safe ones.
LOADERS = {"load", "load_all", "compose", "compose_all", "parse", "scan"}
SAFE = {"SafeLoader", "CSafeLoader", "BaseLoader"}


def offences(tree: ast.AST) -> Iterator[str]:
    safe = SAFE | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and node.bases
        and {_name(base) for base in node.bases} <= SAFE
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [name.name for name in node.names if name.name.split(".")[0] in MODULES]
            yield from found
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            yield from _call(node, safe)
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield node.attr


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _call(node: ast.Call, safe: set[str]) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in BUILT_IN:
        yield called.id
    if any(it.arg == "shell" and getattr(it.value, "value", None) for it in node.keywords):
        yield "shell=True"
    if (
        isinstance(called, ast.Attribute)
        and isinstance(called.value, ast.Name)
        and called.value.id == "yaml"
        and called.attr in LOADERS
    ):
        given = [*node.args[1:], *(it.value for it in node.keywords if it.arg == "Loader")]
        if not any(_name(it) in safe for it in given):
            yield f"yaml.{called.attr} without a safe loader"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_loads_nothing_unsafely(path: Path) -> None:
    assert list(offences(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "eval('1')", "exec(x)", "os.system('x')",
        "yaml.load(x)", "yaml.load(x, Loader=yaml.Loader)", "yaml.unsafe_load(x)",
        "subprocess.run(x, shell=True)", "import shelve as s", "__import__(x)",
    ],
)  # fmt: skip
def test_what_would_be_unsafe_is_found(text: str) -> None:
    assert list(offences(ast.parse(text)))


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 80
