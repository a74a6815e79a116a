"""What bridge.yaml may say, what is said of every mistake in it, and what the pages say of it."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from upshift_host.bridges.metrics import COUNTS, text
from upshift_host.bridges.opamp.configured import contents_of
from upshift_host.bridges.reading import load, tls_of, trusting
from upshift_host.bridges.serving import END_S
from upshift_host.bridges.settings import BridgeDocument, TlsEntry
from upshift_host.cli.bridge import check
from upshift_host.errors import StartRefused
from upshift_rules.documents.schema import schema

ROOT = Path(__file__).parents[3]
HOST = ROOT / "agents-sdk/host"
PAGES = [HOST / it for it in ("BRIDGES.md", "guides/opamp.md", "guides/elastic.md")]
EXAMPLES = sorted((HOST / "examples/bridges").glob("*.yaml"))
REDIS = "redis: redis://127.0.0.1:6379\n"
OPAMP = REDIS + "opamp:\n"
ELASTIC = REDIS + "elastic:\n  server: {url: 'http://127.0.0.1:8200'}\n"


def told(tmp_path: Path, content: str) -> list[str]:
    path = tmp_path / "bridge.yaml"
    path.write_text(content)
    with pytest.raises(StartRefused) as refused:
        check(path, schema=False)
    return [line.partition("bridge.yaml:")[2] or line for line in str(refused.value).splitlines()]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (REDIS, "1:1: give opamp or elastic: which bridge is it?"),
        ("opamp: {}\n", "1:1: redis is missing; for example redis: redis://redis.internal:6379"),
        ("redis: http://x\nopamp: {}\n", "1:8: redis cannot be used: "),
        (OPAMP + "  recever: a\n", '3:3: unknown field "recever"; did you mean "receiver"?'),
        (OPAMP + "  listen: 0.0.0.0:1\n",
         "3:11: listen 0.0.0.0:1 is open to others: it needs token_file, or tls with client_ca"),
        (OPAMP + "  listen: '[::]:1'\n", "3:11: listen [::]:1 is open to others"),
        (OPAMP + "  template: 'a: 1'\n",
         "3:13: template must hold {hz}, where the frequency goes"),
        (OPAMP + "  template: 'a: {hz}'\n  receiver: b\n",
         "4:13: give receiver or template, not both"),
        (OPAMP + "  off: 'a: 1'\n", "3:8: off is for a template"),
        (OPAMP + "  lowest: 9\n  highest: 3\n",
         "3:11: lowest must not be above highest, got 9 and 3"),
        (OPAMP + "  files: [{file: a, number_before: b}, {file: c, number_before: b}]\n",
         "3:10: number_before may be in one file; the frequency is one number"),
        (OPAMP + "  receiver: a\n  files: [{file: a, number_before: b}]\n",
         "3:13: receiver is for a text of ours; a file has the number already"),
        (OPAMP + "  most: 0\n", "3:9: most must be 1–10000, got 0"),
        (OPAMP + "  path: a\n", "3:9: path: string should match"),
        (REDIS + "elastic: {}\n", "2:10: server is missing"),
        (ELASTIC + "  poll: 1s\n", "4:9: poll must be 5s–5m: agents come back no sooner"),
        (ELASTIC + "  transaction_sample_rate: 2\n",
         "4:28: transaction_sample_rate must be 0–1, got 2"),
        (REDIS + "elastic: {server: {url: 'http://u:p@h'}}\n",
         "2:25: url must not hold a password"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_at_its_place(tmp_path: Path, content: str, said: str) -> None:
    found = told(tmp_path, content)
    assert [line for line in found if line.startswith(said)], found


def test_what_a_collector_could_not_run_with_is_refused_at_the_start(tmp_path: Path) -> None:
    assert told(tmp_path, OPAMP + "  template: \"{hz}: '{hz}'\"\n") == [
        "opamp.template must change in one place with the frequency, not in 4"
    ]
    mine = tmp_path / "mine.yaml"
    files = OPAMP + "  files: [{file: mine.yaml, number_before: '# upshift'}]\n"
    assert told(tmp_path, files) == [f"cannot read {mine}: No such file or directory"]
    mine.write_text("")
    assert told(tmp_path, files) == ["mine.yaml must have 1–262144 bytes, it has 0"]
    mine.write_text("a: 1\n")
    assert told(tmp_path, files)[0].startswith("mine.yaml must have one line with '# upshift'")
    mine.write_text("a: b  # upshift\n")
    assert told(tmp_path, files)[0].startswith("mine.yaml has no whole number before '# upshift'")
    mine.write_text("a: '19'  # upshift\n")
    assert told(tmp_path, files)[0].startswith("mine.yaml must have the frequency alone at a")
    mine.write_text("a: 19  # upshift\n")
    assert check(tmp_path / "bridge.yaml", schema=False).startswith("opamp: collectors are told a,")
    twice = OPAMP + "  files: [{file: mine.yaml}, {file: mine.yaml}]\n"
    assert "has the name mine.yaml, too" in told(tmp_path, twice)[0]


def test_a_token_file_must_hold_some_and_a_certificate_be_one(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("\n")
    assert (
        "is empty; it holds one token a line" in told(tmp_path, OPAMP + "  token_file: tokens\n")[0]
    )
    (tmp_path / "tokens").write_text("a\nb\n")
    path = tmp_path / "bridge.yaml"
    path.write_text(OPAMP + "  token_file: tokens\n  listen: 0.0.0.0:4320\n")
    found = load(path, "opamp")
    assert found.tokens == (b"a", b"b")
    assert "tokens=" not in repr(found)
    with pytest.raises(StartRefused, match="elastic is missing: it is what is to run"):
        load(path, "elastic")
    with pytest.raises(StartRefused, match="tls cannot be used"):
        tls_of(tmp_path, TlsEntry(certificate="tokens", key="tokens"))
    with pytest.raises(StartRefused, match="ca_file tokens cannot be used"):
        trusting(tmp_path, "tokens")
    with pytest.raises(StartRefused, match="no configuration"):
        load(None)


def test_a_password_in_a_bad_url_of_redis_is_never_shown(tmp_path: Path) -> None:
    bad = "redis: redis://u:hunter2@[\nopamp: {}\n"
    assert all("hunter2" not in line for line in told(tmp_path, bad))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_example_loads(path: Path) -> None:
    assert check(path, schema=False).startswith(path.stem)


def test_what_the_guides_show_of_it_loads(tmp_path: Path) -> None:
    (tmp_path / "opamp-tokens").write_text("a\n")
    blocks = [
        it for page in PAGES for it in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    ours = [it for it in blocks if it.startswith("redis:")]
    assert len(ours) == 2
    for block in ours:
        (tmp_path / "bridge.yaml").write_text(block)
        assert check(tmp_path / "bridge.yaml", schema=False)
    assert all(yaml.safe_load(block) for block in blocks)


def keys(name: str) -> set[str]:
    """Of a section, or of the document."""
    described = schema(BridgeDocument)
    return set((described["$defs"][name] if name else described)["properties"])


def test_the_page_has_each_setting_and_each_metric() -> None:
    page = PAGES[0].read_text()
    settings = page.partition("## Settings")[2].partition("\n## ")[0]
    for name in ("", "OpampEntry", "ElasticEntry", "TlsEntry", "ServerEntry", "ServedFile"):
        for key in keys(name) - {"opamp", "elastic"}:
            assert re.search(rf"\b{key}\b", settings), key
    for bridge, counts in COUNTS.items():
        shown = text(bridge, {"applied": 1}, dict.fromkeys(counts, 2))
        names = {line.split("{")[0].split()[0] for line in shown.splitlines() if line[0] != "#"}
        for name in names:
            short = "…" + name.removeprefix(f"upshift_bridge_{bridge}")
            assert f"`{name}" in page or f"`{short}`" in page, name


def test_the_unit_runs_either_and_waits_until_all_have_been_told() -> None:
    unit = ConfigParser(interpolation=None, strict=False)  # systemd adds up what stands twice
    unit.read(ROOT / "deploy/systemd/upshift-bridge@.service")
    service = unit["Service"]
    assert " bridge %i --config /etc/upshift/bridge.yaml" in service["ExecStart"]
    assert service["Restart"] == "always"
    assert float(service["TimeoutStopSec"]) > END_S + 5


def test_the_default_text_is_that_of_the_collectors_receiver(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(REDIS + "opamp: {}\n")
    entry = load(path).document.opamp
    assert entry is not None
    assert contents_of(tmp_path, entry).place == ("receivers", "profiling", "samples_per_second")
