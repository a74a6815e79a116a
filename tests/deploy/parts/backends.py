"""Parca and Elastic APM."""

from importlib.metadata import version

from deploy.table import Row
from parts import program

_ELASTIC = "integrations/bridges/test_elastic.py"

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
        guides=("deploy/guides/parca.md",),
    ),
    Row(
        part="Elastic's agent for Java",
        version="1.55.1",
        how="real",
        tests=(
            f"{_ELASTIC}::test_the_java_agent_takes_five_times_as_many_stacks_while_a_boost_holds",
            f"{_ELASTIC}::test_what_agents_have_outlives_the_server_behind_and_a_boost_ends_without_it",
        ),
        guides=("deploy/guides/elastic.md",),
    ),
    Row(
        part="Elastic's agent for Python",
        version=lambda: version("elastic-apm"),
        how="real",
        tests=(f"{_ELASTIC}::test_the_python_agent_samples_more_transactions_and_goes_back",),
        note="it has no setting of a profiler: transaction_sample_rate",
        guides=("deploy/guides/elastic.md",),
    ),
    Row(
        part="APM Server and Kibana",
        version="9",
        how="untested",
        note="not to be had; in the tests a stand-in answers",
        guides=("deploy/guides/elastic.md",),
    ),
]
