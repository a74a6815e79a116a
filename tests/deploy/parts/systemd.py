"""The units of deploy/systemd."""

from deploy.table import Row
from deploy.versions import said_by

ROWS = [
    Row(
        part="systemd units",
        version=lambda: said_by("systemd-analyze", "--version"),
        how="validated only",
        tests=("deploy/real/test_systemd.py", "host/test_unit.py"),
        note="systemd verifies and scores them; no systemd has started them",
        guides=("deploy/guides/removing.md",),
    ),
]
