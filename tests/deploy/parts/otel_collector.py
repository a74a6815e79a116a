"""deploy/otel-collector."""

from deploy.table import Row
from parts import program

GUIDE = "deploy/guides/opentelemetry.md"
_TESTS = "deploy/real/test_otel_collector.py"


def _version() -> str:
    return program("otelcol").name.rpartition("-v")[2]


ROWS = [
    Row(
        part="the frequency of OpenTelemetry Collector's profiler",
        version=_version,
        how="real",
        tests=(
            "integrations/files/test_collector.py",
            f"{_TESTS}::test_it_takes_the_host_agents_file_over_it_at_every_frequency",
        ),
        note="the reload and its file; its sampling itself is untested, for eBPF did not load",
        guides=(GUIDE, "agents-sdk/host/guides/otel-collector.md"),
    ),
    Row(
        part="deploy/otel-collector",
        version=_version,
        how="validated only",
        tests=(
            f"{_TESTS}::test_the_collector_takes_what_of_it_it_knows",
            "deploy/test_attributes.py",
        ),
        note="receivers, batch and pipelines by the collector; `resource` and OTLP's exporters "
        "are in none that was built, and are held against the other configurations alone",
        guides=(GUIDE,),
    ),
    Row(
        part="Tempo",
        version="2.9",
        how="untested",
        note="not to be had; its data source follows Grafana's documentation",
        guides=(GUIDE,),
    ),
]
