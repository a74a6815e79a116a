"""The table calls nothing more than it is, and the guides say what the table says."""

from __future__ import annotations

import re

import pytest

from deploy.table import ROOT, WORDS, Row, result, rows, word

ROWS = rows()
#: Pages of one screen each.
GUIDES = sorted(
    it.relative_to(ROOT).as_posix()
    for it in (ROOT / "deploy/guides").glob("*.md")
    if it.name != "README.md"
)
SCREEN = 60  # lines


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.part)
def test_a_part_is_tried_by_tests_that_there_are_or_says_why_not(row: Row) -> None:
    assert row.how in WORDS
    if row.how == "untested":
        assert row.note
        assert row.tests == ()
    else:
        assert row.tests
    for test in row.tests:
        path, _, name = test.partition("::")
        assert (ROOT / "tests" / path).exists(), test
        if name:
            assert f"def {name}(" in (ROOT / "tests" / path).read_text(), test


def test_no_two_parts_have_one_name() -> None:
    names = [row.part for row in ROWS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("page", sorted({page for row in ROWS for page in row.guides} | {*GUIDES}))
def test_a_page_carries_its_word_from_the_table(page: str) -> None:
    said = word(page, ROWS)
    assert said, "no row of the table names this page"
    assert said in (ROOT / page).read_text().splitlines()


@pytest.mark.parametrize("page", GUIDES)
def test_a_guide_is_one_screen(page: str) -> None:
    assert len((ROOT / page).read_text().splitlines()) <= SCREEN


def test_every_guide_is_listed() -> None:
    listed = re.findall(r"\]\((\w[\w-]*\.md)\)", (ROOT / "deploy/guides/README.md").read_text())
    assert {f"deploy/guides/{it}" for it in listed} == {*GUIDES}


def test_what_did_not_run_is_not_said_to_hold() -> None:
    row = Row(part="a part", version="1", how="real", tests=("deploy/real/test_x.py::test_y",))
    name = "tests/deploy/real/test_x.py::test_y"
    assert result(row, {}) == "not run here"
    assert result(row, {name: "skipped"}) == "not run here"
    assert result(row, {name: "passed", name + "_too": "failed"}) == "held, 1"
    assert result(row, {name + "[a]": "passed", name + "[b]": "failed"}) == "FAILED, 1 of 2"
    assert result(row, {name + "[a]": "passed", name + "[b]": "skipped"}).endswith("1 not run here")


def test_the_word_of_a_page_names_its_own_parts_only() -> None:
    mine = Row(part="mine", version="1", how="untested", note="why", guides=("page.md",))
    other = Row(part="other", version="1", how="untested", note="why", guides=("another.md",))
    assert word("page.md", [mine, other]) == "**Untested:** mine."
