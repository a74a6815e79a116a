"""deploy/guides: the commands in them."""

from deploy.table import Row
from upshift_controller import __version__

ROWS = [
    Row(
        part="the commands",
        version=__version__,
        how="real",
        tests=("deploy/real/test_guides.py",),
        note="on a real Valkey and controller; what is not run says so",
        guides=tuple(
            f"deploy/guides/{name}.md"
            for name in (
                "backing-up",
                "existing-redis",
                "high-availability",
                "managed-kubernetes",
                "opentelemetry",
                "parca",
                "pyroscope",
                "removing",
                "retention",
                "upgrading",
            )
        ),
    ),
]
