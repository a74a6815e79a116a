"""Whom the bridges tell: OpenTelemetry's supervisor and collector, Elastic's agents."""

from importlib.metadata import version

from deploy.table import Row
from parts import program

_OPAMP = "integrations/bridges/test_opamp.py"
_ELASTIC = "integrations/bridges/test_elastic.py"

ROWS = [
    Row(
        part="OpenTelemetry's supervisor under the OpAMP bridge",
        version=lambda: program("opampsupervisor").name.rpartition("-v")[2],
        how="real",
        tests=(_OPAMP,),
        note="with a collector's effective configuration; its receiver's own sampling untested",
        guides=("deploy/guides/opentelemetry.md", "agents-sdk/host/guides/opamp.md"),
    ),
    Row(
        part="Elastic's Java agent under the Elastic bridge",
        version="1.55.1",
        how="real",
        tests=(
            f"{_ELASTIC}::test_the_java_agent_takes_five_times_as_many_stacks_while_a_boost_holds",
        ),
        note="the APM Server behind is a stand-in",
        guides=("deploy/guides/elastic.md", "agents-sdk/host/guides/elastic.md"),
    ),
    Row(
        part="Elastic's Python agent under the Elastic bridge",
        version=lambda: version("elastic-apm"),
        how="real",
        tests=(
            f"{_ELASTIC}::test_the_python_agent_samples_more_transactions_and_goes_back",
            f"{_ELASTIC}::test_what_agents_have_outlives_the_server_behind_and_a_boost_ends_without_it",
        ),
        note="its transactions, for it has no profiler; the APM Server behind is a stand-in",
        guides=("deploy/guides/elastic.md", "agents-sdk/host/guides/elastic.md"),
    ),
]
