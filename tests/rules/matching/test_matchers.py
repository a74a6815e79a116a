"""Matchers read and fit as Alertmanager's do. Debian's amtool has the last word."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_rules.matchers import parse_matchers

#: Matchers, and whether each fits the labels {foo: bar, path: a\b, quote: say "hi", lines: a⏎b}.
FITS = {
    'foo="bar"': True,
    "foo=bar": True,
    " foo = bar ": True,
    'foo="baz"': False,
    'foo!="bar"': False,
    'foo!="baz"': True,
    "foo=": False,
    "missing=": True,
    'missing=""': True,
    'missing!="x"': True,
    'missing!=""': False,
    'missing=~".*"': True,
    'missing=~".+"': False,
    'missing!~".+"': True,
    'foo=~"b.."': True,
    "foo=~b..": True,
    'foo=~"ba"': False,  # a regular expression fits all of it or nothing
    'foo=~"ar"': False,
    'foo=~"^bar$"': True,
    'foo=~"ba|bar"': True,
    'foo=~"x|b"': False,
    'foo=~"(?i)BAR"': True,
    'foo=~"b(?i)AR"': True,
    'foo=~"BAR"': False,
    'foo=~""': False,
    'foo=~"[[:alpha:]]+"': True,
    'foo=~"\\\\pL+"': True,
    'foo=~"\\pL+"': True,
    'foo=~"\\w+\\z"': True,
    'foo=~"\\Qbar\\E"': True,
    'foo!~"b.*"': False,
    'foo!~"c.*"': True,
    "foo='bar'": False,
    "foo=bar=bar": False,
    'foo="bar", path!="x"': True,
    '{foo="bar"}': True,
    '{foo="bar",}': True,
    "{foo=bar": True,
    'foo="bar", foo="baz"': False,
    'foo="bar",path!=x\\,missing=': True,
    'path="a\\\\b"': True,
    'path="a\\b"': True,  # any other backslash is one
    "path=a\\b": True,
    'quote="say \\"hi\\""': True,
    'quote=say \\"hi\\"': True,
    'lines="a\\nb"': True,
    'lines="a\nb"': True,
    'lines=~"a.b"': False,
    'lines=~"(?s)a.b"': True,
    'lines=~"a"': False,
}

REFUSED = [
    "foo",
    "=bar",
    'foo="bar',
    'foo=b"ar',
    'foo="bar\\"',
    'foo="bar" baz',
    'foo=="b" x="c',
    "1foo=bar",
    "foo-bar=baz",
    ",foo=bar",
    "foo=bar,,foo=bar",
    'foo=~"["',
    'foo=~"(?=bar)"',
    'foo=~"(bar)\\\\1"',
    'foo=~"a{1001}"',
    'foo=~"a**"',
    'foo=~"(?x)bar"',
]

LABELS = {"foo": "bar", "path": "a\\b", "quote": 'say "hi"', "lines": "a\nb"}


def fits(text: str, labels: dict[str, str]) -> bool:
    return all(it.matches(labels.get(it.label, "")) for it in parse_matchers(text))


@pytest.mark.parametrize(("text", "answer"), FITS.items())
def test_a_matcher_fits_or_not(text: str, answer: bool) -> None:
    assert fits(text, LABELS) is answer


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_matcher_is_refused_and_told_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match=r"must (be LABEL=\"VALUE\"|hold an RE2 regular)"):
        parse_matchers(text)


def amtool(folder: Path, matchers: list[str], *labels: str) -> subprocess.CompletedProcess[str]:
    """Ask which of several routes, one per matcher, would take an alert with these labels."""
    routes = [
        {"receiver": f"r{index}", "continue": True, "matchers": [text]}
        for index, text in enumerate(matchers)
    ]
    receivers = [{"name": "none"}, *({"name": route["receiver"]} for route in routes)]
    config = folder / "alertmanager.yml"
    document = {"route": {"receiver": "none", "routes": routes}, "receivers": receivers}
    config.write_text(json.dumps(document), encoding="utf-8")
    command = ["amtool", "config", "routes", "test", f"--config.file={config}", *labels]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.servers("amtool")
def test_alertmanager_gives_the_same_answers(tmp_path: Path) -> None:
    # amtool reads labels as matchers, so their values are written as such.
    labels = [f"{name}={json.dumps(value)}" for name, value in LABELS.items()]
    asked = amtool(tmp_path, list(FITS), *labels)
    assert asked.returncode == 0, asked.stderr
    taken = set(asked.stdout.strip().split(","))
    answers = {text: f"r{index}" in taken for index, text in enumerate(FITS)}
    assert answers == FITS


@pytest.mark.servers("amtool")
@pytest.mark.parametrize("text", REFUSED)
def test_alertmanager_refuses_the_same(text: str, tmp_path: Path) -> None:
    assert amtool(tmp_path, [text], "foo=bar").returncode != 0


def test_label_names_may_be_quoted_as_newer_alertmanagers_allow() -> None:
    assert fits('"service.name"="checkout"', {"service.name": "checkout"})


def test_a_matcher_is_shown_as_it_could_be_written() -> None:
    for text in (*FITS, 'a="\\"\\\\\\n"'):
        for matcher in parse_matchers(text):
            (again,) = parse_matchers(matcher.text)
            assert again == matcher


def test_a_pattern_that_ruins_backtracking_engines_takes_linear_time() -> None:
    (matcher,) = parse_matchers('foo=~"(a+)+(a|aa)*b"')
    assert not matcher.matches("a" * 100_000)


@pytest.mark.parametrize("text", ["a=" + " " * 4000 + '"', "a=" + "\\" * 4000 + '"', " " * 4096])
def test_no_text_takes_long_to_refuse(text: str) -> None:
    with pytest.raises(ValueError, match="must be LABEL"):
        parse_matchers(text)


def test_half_a_surrogate_in_a_label_harms_nothing() -> None:
    (matcher,) = parse_matchers('foo=~".+"')
    assert matcher.matches("\ud800")


@given(st.text(alphabet='fo="!~,{}\\ bn.*[(|\n', max_size=20))
def test_any_text_is_matchers_or_a_value_error(text: str) -> None:
    try:
        matchers = parse_matchers(text)
    except ValueError:
        return
    for matcher in matchers:
        matcher.matches("foo")


@given(st.text(), st.sampled_from(["=", "!="]))
def test_a_quoted_value_means_itself(value: str, operator: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (matcher,) = parse_matchers(f'foo{operator}"{quoted}"')
    assert matcher.matches(value) is (operator == "=")
    assert matcher.matches(value + "x") is (operator == "!=")
