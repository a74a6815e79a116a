"""deploy/otel-collector, read by the collectors that can be built."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from deploy.collector import COMPONENTS, configuration, narrowed, validate
from parts import program
from upshift_host.files.presets import collector


@pytest.mark.parametrize("part", COMPONENTS)
def test_the_collector_takes_what_of_it_it_knows(part: str, tmp_path: Path) -> None:
    if not program(part).exists():
        pytest.skip(f"not built: {part}")
    written = tmp_path / "config.yaml"
    written.write_text(yaml.safe_dump(narrowed(configuration(), part)))
    said = validate(part, written)
    assert said.returncode == 0, said.stderr
    broken = narrowed(configuration(), part)
    broken["receivers"][next(iter(broken["receivers"]))] = {"no_such_option": 1}
    written.write_text(yaml.safe_dump(broken))
    assert validate(part, written).returncode != 0, "it does look"


@pytest.mark.parametrize("hz", [0, 19, 100, 1000])
def test_it_takes_the_host_agents_file_over_it_at_every_frequency(hz: int, tmp_path: Path) -> None:
    if not program("otelcol").exists():
        pytest.skip("not built: otelcol")
    base, over = tmp_path / "config.yaml", tmp_path / "receiver.yaml"
    base.write_text(yaml.safe_dump(narrowed(configuration(), "otelcol")))
    over.write_text(collector("profiling").text(hz))
    said = validate("otelcol", base, over)
    assert said.returncode == 0, said.stderr
