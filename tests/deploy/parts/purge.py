"""`upshift purge`."""

from deploy.table import Row
from upshift_controller import __version__

ROWS = [
    Row(
        part="`upshift purge`",
        version=__version__,
        how="real",
        tests=("controller/storage/test_purging.py",),
        guides=("deploy/guides/removing.md",),
    ),
]
