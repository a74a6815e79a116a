"""The chart's page, its values, their schema, and what it has copies of, agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from upshift_controller import __version__
from upshift_host.cli.main import app as app_of_host

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy/helm/upshift"
PAGE = (CHART / "README.md").read_text()
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def documented() -> dict[str, Any]:
    """Default by value, as the page has it."""
    found = {}
    for line in PAGE.partition("\n## Values\n")[2].splitlines():
        if row := re.match(r"\| (`[a-zA-Z.`, ]+`) \| `(.*?)` \|", line):
            for name in re.findall(r"[a-zA-Z.]+", row[1]):
                assert name not in found, f"{name} is there twice"
                found[name] = yaml.safe_load(row[2].replace("\\|", "|"))
    return found


def at(path: str) -> Any:
    found: Any = VALUES
    for name in path.split("."):
        found = found[name]
    return found


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Of values; an empty mapping is one."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}".lstrip("."))
    else:
        yield path


def test_every_value_has_its_row_with_its_default_and_no_row_is_too_many() -> None:
    rows = documented()
    assert rows == {path: at(path) for path in rows}
    missing = [
        leaf
        for leaf in leaves(VALUES)
        if not any(leaf == row or leaf.startswith(f"{row}.") for row in rows)
    ]
    assert missing == []


def test_the_schema_has_every_value_and_refuses_every_other() -> None:
    def compare(schema: Mapping[str, Any], value: Any, path: str) -> None:
        while "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
        if schema.get("additionalProperties") is not False or schema["type"] != "object":
            return
        more = {"global"} if not path else {"localhostProfile"}
        assert value.keys() <= schema["properties"].keys() <= value.keys() | more, path
        for name, inner in value.items():
            compare(schema["properties"][name], inner, f"{path}/{name}")

    compare(SCHEMA, VALUES, "")


def test_copies_are_what_they_are_of() -> None:
    originals = {
        "users.acl": ROOT / "deploy/redis/users.acl",
        "upshift-self.rules.yml": ROOT / "rules/prometheus/upshift-self.rules.yml",
        "upshift.rules.yml": ROOT / "rules/prometheus/upshift.rules.yml",
    }
    copies = {path.name: path.read_text() for path in (CHART / "files").iterdir()}
    assert copies == {name: path.read_text() for name, path in originals.items()}


def test_chart_and_programs_are_of_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {__version__}


@pytest.mark.servers("amtool")
def test_alertmanager_takes_the_pages_route(tmp_path: Path) -> None:
    (block,) = [it for it in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "route:" in it]
    path = tmp_path / "alertmanager.yml"
    path.write_text(block)
    amtool = shutil.which("amtool")
    assert amtool is not None
    done = subprocess.run(
        [amtool, "check-config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = subprocess.run(
        [amtool, "config", "routes", "test", f"--config.file={path}", "alertname=HighCPU"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["upshift"]


def test_the_snippet_for_python_names_a_verb_and_settings_that_there_are() -> None:
    snippet = yaml.safe_load((ROOT / "deploy/kubernetes/zero-code-python.yaml").read_text())
    pod = snippet["spec"]["template"]["spec"]
    (init,), (app,) = pod["initContainers"], pod["containers"]
    program, verb, folder = init["command"]
    assert program == "upshift-agent"
    assert verb in get_command(app_of_host).commands  # type: ignore[attr-defined]  # a group
    told = {it["name"]: it.get("value") for it in app["env"]}
    assert told["PYTHONPATH"] == folder == app["volumeMounts"][0]["mountPath"]
    pages = (ROOT / "agents-sdk/python/README.md").read_text()
    sources = (ROOT / "agents-sdk/python/src/upshift_agent/attributes.py").read_text()
    for name in told.keys() - {"PYTHONPATH"}:
        assert f"`{name}`" in pages or f'"{name}"' in sources, name
