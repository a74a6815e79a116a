"""What agent.yaml may say, and what is said of every mistake in it, all at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upshift_host.cli.check import check
from upshift_host.config import AgentDocument, Configuration, load
from upshift_host.errors import StartRefused
from upshift_rules.documents.document import FallbackEntry, read_rules
from upshift_rules.documents.schema import schema

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "agents-sdk/host/examples").glob("*.yaml"))

SMALLEST = "redis: redis://127.0.0.1:6379\npyroscope: {url: 'http://127.0.0.1:4040'}\n"
USERS = """\
fallback_strategy:
  - method: ebpf
    priority: 1
  - method: push
    priority: 2
  - method: pull
    priority: 3
"""

Read = Callable[..., Configuration]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str, **environ: str) -> Configuration:
        path = tmp_path / "agent.yaml"
        path.write_text(text)
        return load(path, environ)

    return read


def told(read: Read, text: str) -> list[str]:
    """What is wrong with it, without the file's name."""
    with pytest.raises(StartRefused) as refused:
        read(text)
    return [line.partition("agent.yaml:")[2] for line in str(refused.value).splitlines()]


def test_redis_and_a_backend_are_enough(read: Read) -> None:
    found = read(SMALLEST)
    assert [it.method for it in found.document.fallback_strategy] == ["ebpf", "push", "pull"]
    assert (found.document.baseline, found.document.max_frequency) == (19, None)


def test_the_users_fallback_strategy_loads_verbatim_and_is_the_rules_documents(
    read: Read,
) -> None:
    here = read(SMALLEST + USERS).document.fallback_strategy
    there = read_rules(USERS, "upshift.yaml").document.fallback_strategy
    assert here == there
    assert {type(it) for it in here} == {FallbackEntry}


def blocks() -> list[str]:
    """What the pages show of agent.yaml."""
    pages = ("README.md", "agents-sdk/host/README.md")
    text = "".join(text_of(page) for page in pages)
    return [it for it in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "workloads:" in it]


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def test_what_the_pages_show_of_it_loads(read: Read) -> None:
    shown = blocks()
    assert len(shown) == 2
    for block in shown:
        assert read(block).document.workloads


def test_every_key_has_its_row_on_the_page() -> None:
    rows = re.findall(r"^\| (`.*?) \|", text_of("agents-sdk/host/README.md"), re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert AgentDocument.model_fields.keys() <= named


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_every_example_loads(example: Path, tmp_path: Path, read: Read) -> None:
    for name in ("plan-secret", "pyroscope-token"):
        (tmp_path / name).write_text("a-secret")
    assert read(example.read_text().replace("/etc/upshift/", ""))


def test_the_first_example_has_at_most_20_lines_that_say_something() -> None:
    lines = (ROOT / "agents-sdk/host/examples/agent.yaml").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) <= 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: give either pyroscope or parca, where profiles are to go",
              "1:1: redis is missing; for example redis: redis://redis.internal:6379"]),
        (SMALLEST + "parca: {url: 'http://a:1'}",
         ["3:8: give either pyroscope or parca, where profiles are to go, not both"]),
        (SMALLEST.replace("http:", "ftp:"),
         ["2:18: url must be an http:// or https:// URL"]),
        (SMALLEST.replace("127.0.0.1:4040", "me:secret@a"),
         ["2:18: url must not hold a password; token_file names a file that does"]),
        (SMALLEST + "selct: []", ['3:1: unknown field "selct"; did you mean "select"?']),
        (SMALLEST + "workloads:\n  - service: a",
         ["4:5: an entry of workloads needs command, port or unit: which processes are they?"]),
        (SMALLEST + "workloads:\n  - service: a\n    command: 'pyth(on'",
         ["5:14: command must be an RE2 regular expression: missing ): pyth(on"]),
        (SMALLEST + "workloads:\n  - service: a\n    command: '(a)\\1'",
         ["5:14: command must be an RE2 regular expression: invalid escape sequence: \\1"]),
        (SMALLEST + "workloads:\n  - {service: a, port: 65536}",
         ["4:24: port must be 1–65535, got 65536"]),
        (SMALLEST + "fallback_strategy: []", ["3:20: fallback_strategy must not be empty"]),
        (SMALLEST + "fallback_strategy: [{method: ebpf, priority: 1}, {method: ebpf, priority: 2}]",
         ["3:59: method ebpf is given a second time; keep one"]),
        (SMALLEST + "fallback_strategy: [{method: perf, priority: 0}]",
         ['3:30: method must be "ebpf", "push" or "pull", got "perf"',
          "3:46: priority must be 1–100, got 0"]),
        (SMALLEST + "metrics: '9096'",
         ["3:10: metrics must be HOST:PORT, such as 127.0.0.1:9096"]),
        (SMALLEST + "metrics: 0.0.0.0:65536",
         ["3:10: metrics must be HOST:PORT, such as 127.0.0.1:9096"]),
        (SMALLEST + "baseline: 19 Hz", ['3:11: baseline must be 0–1000 Hz, got "19 Hz"']),
        (SMALLEST + "attributes: {team: 5}",
         ["3:20: team must be text, got 5; put it in quotes"]),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(read: Read, text: str, expected: list[str]) -> None:
    assert told(read, text) == expected


def test_where_redis_is_may_stand_in_the_environment_and_goes_before_the_file(read: Read) -> None:
    elsewhere = {"UPSHIFT_REDIS_URL": "redis://me:hunter2@redis.internal"}
    nothing_of_it = SMALLEST.partition("\n")[2]
    assert read(nothing_of_it, **elsewhere).document.redis == elsewhere["UPSHIFT_REDIS_URL"]
    assert read(SMALLEST, **elsewhere).document.redis == elsewhere["UPSHIFT_REDIS_URL"]
    with pytest.raises(StartRefused, match=r"^UPSHIFT_REDIS_URL cannot be used: ") as refused:
        read(SMALLEST, UPSHIFT_REDIS_URL="redes://me:hunter2@a")
    assert "hunter2" not in str(refused.value)


def test_a_password_in_the_url_of_redis_is_never_shown(read: Read) -> None:
    (said,) = told(read, SMALLEST.replace("redis://", "redes://me:hunter2@"))
    assert said.startswith("1:8: redis cannot be used: it must begin with redis://")
    assert "hunter2" not in said


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match=r"cannot read .*none\.yaml: No such file"):
        load(tmp_path / "none.yaml")


def test_an_empty_file_of_secrets_is_refused(tmp_path: Path, read: Read) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(StartRefused, match="is empty; it holds one secret a line"):
        read(SMALLEST + "secret_file: secret")


def test_a_token_goes_into_the_header_and_nowhere_else(tmp_path: Path, read: Read) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    found = read(SMALLEST.replace("}", ", tenant: shop, token_file: token}"))
    assert found.headers == {"X-Scope-OrgID": "shop", "Authorization": "Bearer s3cret"}
    assert "s3cret" not in repr(found)


def test_the_node_is_what_the_file_says_or_else_the_environment(read: Read) -> None:
    assert read(SMALLEST, NODE_NAME="worker-3").node == "worker-3"
    assert read(SMALLEST + "node: worker-4", NODE_NAME="worker-3").node == "worker-4"


def test_check_says_what_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(SMALLEST + "node: worker-3\n" + USERS)
    assert check(path, schema=False) == (
        "node worker-3: 0 workloads are named; methods: ebpf, push, pull; "
        "profiles go to http://127.0.0.1:4040"
    )


def test_the_schema_knows_every_field_and_describes_it() -> None:
    described: dict[str, Any] = schema(AgentDocument)
    assert described["properties"].keys() == AgentDocument.model_fields.keys()
    models = [described, *described["$defs"].values()]
    fields = [field for model in models for field in model["properties"].values()]
    assert all(field.get("description") for field in fields)
