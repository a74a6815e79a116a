"""deploy/otel-collector: its configuration, as far as the components of a collector here go."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.table import ROOT
from parts import program

FOLDER = ROOT / "deploy/otel-collector"
#: What is built in tests/parts/build.sh; neither has the resource processor or OTLP's exporters.
COMPONENTS = {
    "otelcol": {"receivers": {"profiling"}, "processors": {"batch"}},
    "otelcol-opamp": {"receivers": {"otlp"}, "processors": {"batch"}},
}


def configuration() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "config.yaml").read_text()))


def narrowed(whole: Mapping[str, Any], part: str) -> dict[str, Any]:
    """What of a configuration that collector knows; everything goes to its `debug` exporter."""
    known = COMPONENTS[part]
    left: dict[str, Any] = {"exporters": {"debug": {}}, "service": {"pipelines": {}}}
    for kind, types in known.items():
        left[kind] = {it: how for it, how in whole[kind].items() if it.split("/")[0] in types}
    for name, pipeline in whole["service"]["pipelines"].items():
        kept = {kind: [it for it in pipeline[kind] if it in left[kind]] for kind in known}
        if kept["receivers"]:
            left["service"]["pipelines"][name] = {**kept, "exporters": ["debug"]}
    return left


def validate(part: str, *configurations: Path) -> subprocess.CompletedProcess[str]:
    gates = "--feature-gates=service.profilesSupport,service.partialReload"
    gates = gates if part == "otelcol" else "--feature-gates=service.profilesSupport"
    named = [f"--config={it}" for it in configurations]
    command = [str(program(part)), "validate", gates, *named]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
