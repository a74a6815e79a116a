"""What the pages name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.glob("**/*.md")
    if not any(part[0] == "." for part in path.relative_to(ROOT).parts)
)


def test_every_claim_that_the_tests_page_names_is_a_test() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "tests").glob("**/test_*.py"))
    named = re.findall(r"`(test_\w+)`", (ROOT / "tests/README.md").read_text())
    assert named
    assert [name for name in named if f"def {name}(" not in code] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
