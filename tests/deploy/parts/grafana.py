"""deploy/grafana."""

from deploy.table import Row
from deploy.versions import said_by

ROWS = [
    Row(
        part="queries of Grafana's dashboard",
        version=lambda: "Prometheus " + said_by("prometheus", "--version"),
        how="real",
        tests=("deploy/test_grafana.py",),
        note="PromQL by a real Prometheus against a real controller; panels by nobody",
        guides=("deploy/guides/pyroscope.md",),
    ),
    Row(
        part="Grafana",
        version="12.2",
        how="untested",
        note="not to be had: provisioning, links and annotations follow its documentation",
        guides=("deploy/guides/pyroscope.md", "deploy/guides/opentelemetry.md"),
    ),
    Row(
        part="Jaeger",
        version="2.15",
        how="untested",
        note="not to be had: link patterns follow its documentation",
        guides=("deploy/guides/opentelemetry.md",),
    ),
]
