"""Backends, and profilers that somebody else runs."""

from deploy.table import Row
from parts import program

ROWS = [
    Row(
        part="Parca",
        version=lambda: program("parca").name.rpartition("-v")[2],
        how="real",
        tests=("integrations/drivers/test_parca.py",),
        note="its server, profiles in and sums out; not in Kubernetes",
        guides=("deploy/guides/parca.md",),
    ),
    Row(
        part="Parca Agent",
        version="0.49",
        how="untested",
        note="not to be had; its configuration follows its source",
        guides=("deploy/guides/parca.md", "agents-sdk/host/guides/parca-agent.md"),
    ),
    Row(
        part="APM Server and Kibana",
        version="9",
        how="untested",
        note="not to be had; in the tests a stand-in answers",
        guides=("deploy/guides/elastic.md", "agents-sdk/host/guides/elastic.md"),
    ),
    Row(
        part="Grafana Alloy",
        version="1.18",
        how="untested",
        note="not to be had; its files follow its documentation and source",
        guides=("agents-sdk/host/guides/alloy.md",),
    ),
]
