"""A report as people see it. Names in it are anybody's: a profile may call a function anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from upshift_controller.cli.screen import reported, show
from upshift_controller.evidence.shown import written
from upshift_controller.evidence.shown.flame import flame
from upshift_controller.views.reports import Report

EVIL = "<script>alert(1)</script>|`](http://evil)\x1b[2J\n# x"


def report(**more: Any) -> dict[str, Any]:
    grown = {
        "function": "hash_password",
        "kind": "self",
        "before": {"share": 0.12, "half_width": 0.01},
        "now": {"share": 0.42, "half_width": 0.02},
        "difference": 0.3,
        "half_width": 0.025,
        "p": 1e-9,
    }
    side = {
        "from_ms": 1_800_000_000_000,
        "until_ms": 1_800_000_600_000,
        "samples": 60_000,
        "seconds": 600.0,
        "achieved_hz": 99.8,
    }
    lower = {**grown, "function": "render", "difference": -0.3}
    top = [{"function": "hash_password", "before": 0.12, "now": 0.42}]
    document = {
        "target": "service/checkout",
        "lease": "high_cpu/3f9a",
        "since_ms": 1_800_000_000_000,
        "days": 0,
        "profile": "cpu",
        "requested_hz": 100,
        "runs": False,
        "backend": "parca",
        "window": side,
        "before": {**side, "samples": 11_400, "achieved_hz": 19.0},
        "top": {"self": top, "total": top},
        "changes": [grown, lower],
        "asked": 80,
        "problem": None,
        "advice": None,
        "tree": {"all": [1.0, 1.0, {"main": [1.0, 1.0, {"hash_password": [0.12, 0.42, {}]}]}]},
    } | more
    Report.model_validate(document)
    return document


def test_the_answer_comes_first_in_one_sentence() -> None:
    assert written.headline(report()) == (
        "hash_password takes more: 12.0% ± 1.0% before, 42.0% ± 2.0% now, and 1 more changed."
    )
    assert written.headline(report(changes=[])) == (
        "No function changed significantly, of 40 compared."
    )
    assert written.headline(report(problem="before: 3 samples")) == (
        "Nothing can be compared: before: 3 samples."
    )


def test_in_a_terminal_it_shows_what_was_compared_what_changed_and_what_takes_most(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = show.console()
    for line in reported.lines(report()):
        out.print(line)
    said = capsys.readouterr().out
    assert "10m from 2027-01-15 08:00:00 UTC, 60,000 samples, 99.8 of 100 Hz requested" in said
    assert re.search(r"hash_password +self +12\.0% ± 1\.0% +42\.0% ± 2\.0% +\+30\.0% ± 2\.5%", said)


@pytest.mark.parametrize("place", ["target", "lease", "problem", "advice", "function", "tree"])
def test_no_name_is_ever_markup_or_obeyed_by_a_terminal(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = report()
    if place == "function":
        given["changes"][0]["function"] = given["top"]["self"][0]["function"] = EVIL
    elif place == "tree":
        given["tree"] = {"all": [1, 1, {EVIL: [0.1, 0.9, {EVIL: [0, 0.5, {}]}]}]}
    else:
        given[place] = EVIL
    page = written.page(given)
    tags = {tag for tag, _ in _tags(page)}
    assert "script" not in tags
    assert "a" not in tags
    markdown = written.markdown(given)
    assert "\x1b" not in markdown
    assert not re.search(r"^# x", markdown, re.MULTILINE)
    out = show.console()
    for line in reported.lines(given):
        out.print(line)
    assert "\x1b[2J" not in capsys.readouterr().out


def test_a_page_asks_nothing_of_anybody() -> None:
    page = written.page(report())
    assert "default-src 'none'" in page
    asked = [
        value for tag, given in _tags(page) for name, value in given if name in ("src", "href")
    ]
    assert asked == []


def test_a_flame_graph_is_as_wide_as_now_and_coloured_by_what_changed() -> None:
    tree = {"all": [1, 1, {"a": [0.2, 0.6, {}], "b": [0.8, 0.4, {}], "gone": [0.5, 0.0, {}]}]}
    drawn = [dict(given) for tag, given in _tags(flame(tree)) if tag == "rect"]
    assert [(it["class"], it["x"], it["width"]) for it in drawn] == [
        ("same", "0.0", "1199.5"),
        ("more", "0.0", "719.5"),
        ("less", "720.0", "479.5"),
    ]


def _tags(markup: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    found: list[tuple[str, list[tuple[str, str | None]]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, attrs))

    reader = Reader()
    reader.feed(markup)
    reader.close()
    return found
