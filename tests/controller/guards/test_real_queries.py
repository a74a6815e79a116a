"""Queries with placeholders on a real Prometheus, whose series have hostile names."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from servers import prometheus
from upshift_controller.errors import BadQuery
from upshift_controller.sections.prometheus import Prometheus
from upshift_controller.sources.prometheus.answers import read_answers, together
from upshift_controller.sources.prometheus.connected import Connected
from upshift_rules.guards.query import about_anybody, fill, parse_query, selected_by

pytestmark = pytest.mark.servers("prometheus", "promtool")

CONFIG = "global: {evaluation_interval: 1h}\n"
NAMES = [
    "checkout", ".*", "a|b", "a", "b", 'x"} or vector(1) #', "\\", "it's", "two\nlines", "a-z",
    "[a-z]", "(?i)A", "\\Q.*\\E", "^$", "a{2}", "\\d", "é", "\u2028", "`", "{{ service }}", "tab\t",
]  # fmt: skip  # one a line would fill the screen


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    folder = tmp_path_factory.mktemp("prometheus")
    at_s = int(time.time()) - 60
    lines = ["# TYPE requests gauge"]
    lines += [f'requests{{service="{escaped(it)}"}} {n} {at_s}' for n, it in enumerate(NAMES)]
    source = folder / "series.txt"
    source.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, source, folder / "data"], check=True, stdout=subprocess.DEVNULL)
    with prometheus(folder, CONFIG) as server:
        yield Connected(Prometheus(server.url))


@pytest.mark.parametrize("operator", ["=", "=~"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_name_finds_its_own_series_and_no_other(
    ask: Connected, operator: str, quote: str
) -> None:
    query = parse_query(f"requests{{service{operator}{quote}{{{{ service }}}}{quote}}}")
    for number, name in enumerate(NAMES):
        found = ask(fill(query, lambda _, name=name: name))
        assert [it["metric"]["service"] for it in found] == [name]
        assert float(found[0]["value"][1]) == number


def test_several_are_asked_as_one(ask: Connected) -> None:
    query = parse_query('requests{service="{{ service }}"} > 0 # a comment')
    several = [fill(query, lambda _, name=name: name) for name in NAMES] + ["vector(0)", "nothing"]
    answers = read_answers(ask(together(several)), len(several))
    assert [it.true for it in answers] == [False] + [True] * (len(NAMES) - 1) + [False] * 2
    assert answers[3].said == "is true: 3"


def test_what_it_refuses_it_explains(ask: Connected) -> None:
    with pytest.raises(BadQuery, match="parse error"):
        ask("sum by (service requests")
    with pytest.raises(BadQuery, match="expected type instant vector"):
        ask(together(["1", "up"]))  # a scalar goes alone


def test_about_anybody_is_about_all_of_them(ask: Connected) -> None:
    query = parse_query('count(requests{service=~"{{ service }}", nothing!="{{ labels.x }}"}) > 99')
    assert ask(about_anybody(query)) == []
    (selector,) = selected_by(query)
    assert float(ask(f"count({selector})")[0]["value"][1]) == len(NAMES)
    query = parse_query('requests{service="{{ service }}"}')
    assert len(ask(about_anybody(query))) == len(NAMES)
