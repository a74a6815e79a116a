"""deploy/grafana's dashboard: its panels, queries and the labels that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy.table import ROOT

DASHBOARD = ROOT / "deploy/grafana/dashboards/upshift.json"
_LABELS = re.compile(r"(?:by|without) \(([^)]*)\)|\{([^}]*)\}")
#: Prometheus' own, and those that it adds to what it scrapes.
ADDED = {"instance", "job", "le", "__name__"}


@dataclass(frozen=True)
class Query:
    panel: str
    expression: str
    legend: str

    @property
    def promql(self) -> str:
        """As Grafana sends it."""
        return self.expression.replace("$__rate_interval", "1m")

    @property
    def metrics(self) -> set[str]:
        return set(re.findall(r"\bupshift_\w+", self.expression))

    @property
    def labels(self) -> set[str]:
        """That it asks for, groups by, or shows."""
        found = set(re.findall(r"{{(\w+)}}", self.legend))
        for grouped, matched in _LABELS.findall(self.expression):
            found |= set(re.findall(r"\w+", grouped)) | set(re.findall(r"(\w+)[!=]", matched))
        return found


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


def queries() -> Iterator[Query]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            yield Query(panel["title"], target["expr"], target["legendFormat"])
    for annotation in dashboard()["annotations"]["list"]:
        if "expr" in annotation:
            yield Query(annotation["name"], annotation["expr"], "")
