"""`python -m deploy [MODULE…]`, in tests/: try the parts of these modules, or all; show a table."""

from __future__ import annotations

import os
import sys

import pytest
from rich.console import Console

from deploy.table import ROOT, Outcome, result, rows, show


class Outcomes:
    """A pytest plugin that keeps what became of each test."""

    def __init__(self) -> None:
        self.seen: dict[str, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        counts = report.when == "call" or report.outcome != "passed"
        if counts and self.seen.get(report.nodeid) != "failed":
            self.seen[report.nodeid] = report.outcome


def main(modules: list[str]) -> int:
    os.environ["UPSHIFT_DEPLOY"] = os.environ["UPSHIFT_INTEGRATIONS"] = "1"
    os.chdir(ROOT)
    tried, outcomes = rows(modules), Outcomes()
    tests = dict.fromkeys(f"tests/{test}" for row in tried for test in row.tests)
    # The parts have imported the wheel with Valkey, which has a plugin of pytest that is not used.
    known = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    code = pytest.main(["-n", "0", "-W", known, *tests], plugins=[outcomes])
    width = None if sys.stdout.isatty() else 160
    show(tried, outcomes.seen, Console(width=width))
    return 1 if code or any(result(row, outcomes.seen)[0] == "F" for row in tried) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
