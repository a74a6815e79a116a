"""`files:` of agent.yaml: what the pages show of it loads, and each mistake is one sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from upshift_host.config import load
from upshift_host.config.files import FileEntry
from upshift_host.errors import StartRefused
from upshift_host.files.of_host import Files
from upshift_host.files.presets import PRESETS

HOST = Path(__file__).parents[3] / "agents-sdk/host"
PAGES = [HOST / "FILES.md", *sorted((HOST / "guides").glob("*.md"))]
BASE = "redis: redis://127.0.0.1:6379\npyroscope: {url: 'http://127.0.0.1:4040'}\nfiles:\n"
CHECKED = "  - preset: file\n    file: /x/f\n    template: '{hz}'\n"


def told(folder: Path, text: str) -> list[str]:
    path = folder / "agent.yaml"
    path.write_text(BASE + text)
    with pytest.raises(StartRefused) as refused:
        load(path, {})
    return [line.partition("agent.yaml:")[2] for line in str(refused.value).splitlines()]


def shown() -> list[str]:
    found = [
        it for page in PAGES for it in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    return [it for it in found if it.startswith("files:")]


@pytest.mark.parametrize("block", shown())
def test_what_the_pages_show_of_it_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text(BASE.removesuffix("files:\n") + block)
    configuration = load(tmp_path / "agent.yaml", {})
    files = Files(configuration)
    assert len(files.shared) == len(configuration.document.files) > 0
    assert list(files.before({})) == [it.keeper.setup.name for it in files.shared]


def test_every_preset_has_a_guide_and_every_setting_a_row() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert {name for name in PRESETS if f"preset: {name}" in text} == PRESETS.keys()
    rows = re.findall(r"^\| (`.*?) \|", (HOST / "FILES.md").read_text(), re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([\w.-]+)`", row)}
    assert FileEntry.model_fields.keys() <= named


def test_a_guide_fits_a_screen() -> None:
    for page in PAGES[1:]:
        assert len(page.read_text().splitlines()) <= 80, page.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  - {preset: alloy, file: /x}",
         ['4:14: preset must be "alloy.ebpf", "alloy.java", "alloy.scrape", "otel-collector" '
          'or "file", got "alloy"']),
        ("  - {preset: otel-collector, file: x.yaml}",
         ["4:36: file must be an absolute path of a file, got 'x.yaml'"]),
        ("  - {preset: file, file: /x}",
         ["4:5: a file needs either template or number_before: what does it say?"]),
        ("  - {preset: file, file: /x, template: 'rate'}",
         ["4:40: template must hold {hz}, where the frequency goes"]),
        ("  - {preset: alloy.java, file: /x, method: pull}",
         ["4:44: method is for preset: file; the others know it"]),
        (CHECKED + "    check: otelcol validate",
         ['7:12: check must be a list: a program and its arguments, got "otelcol validate"']),
        (CHECKED + "    check: [otelcol, validate]",
         ["7:12: check must name {file}, the file to check"]),
        (CHECKED + "    reload: {signal: HUP, http: 'http://a/'}\n    process: {pid_file: /p}",
         ["7:13: reload must give one of signal, http, command, unit"]),
        (CHECKED + "    reload: {signal: KILL}\n    process: {pid_file: /p}",
         ['7:22: signal must be "HUP", "USR1" or "USR2", got "KILL"']),
        (CHECKED + "    reload: {signal: HUP}", ["4:5: a signal needs process: whom is it for?"]),
        (CHECKED + "    reload: {http: 'file:///etc/passwd'}",
         ["7:20: http must be an http:// or https:// URL"]),
        (CHECKED + "    reload: {unit: '--now'}",
         ["7:20: unit must be one unit, such as parca-agent.service, got '--now'"]),
        (CHECKED + "    raises_per_minute: 0", ["7:24: raises_per_minute must be 1–60, got 0"]),
        (CHECKED + "    lowest: 20\n    highest: 10",
         ["7:13: lowest must not be above highest, got 20 and 10"]),
        (CHECKED + CHECKED.replace("preset: file", "preset: file\n    name: other"),
         ["9:11: file /x/f is given a second time; each has its own"]),
        (CHECKED + CHECKED.replace("/x/f", "/y/f"),
         ["7:5: name file is given a second time; each has its own"]),
        ("  - {preset: otel-collector, file: /x, receiver: '${env:X}'}", None),
        ("  - {preset: otel-collector, file: /x, receiver: 'a: {b'}", None),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, text: str, expected: list[str] | None
) -> None:
    found = told(tmp_path, text)
    assert found == expected or (expected is None and found[0].startswith("4:50: receiver"))
