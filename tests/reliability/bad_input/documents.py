"""Rule documents, plans and statuses: each is read, or refused in our own words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from contract.strategies import jsons
from upshift_agent.contract import decode_plan, decode_status
from upshift_agent.contract.errors import WireError
from upshift_rules.documents.document import read_rules
from upshift_rules.documents.located import DocumentError

from ..table import Row, Size
from .examples import tried

FUZZER = Path(__file__).with_name("fuzz_process.py")
_letters = "{}[]:,-#&*!|>'\"%@` \n\tsampling0on_alert19Hz~é\x00"
_yaml = st.text(st.sampled_from(_letters), max_size=120)


def row(_: Path, size: Size) -> Row:
    counts: Counter[str] = Counter()
    broken: list[str] = []

    def held(name: str, read: Callable[[Any], object], refused: type[Exception]) -> Any:
        def use(value: Any) -> None:
            counts[name] += 1
            try:
                read(value)
            except refused:
                counts["refused"] += 1
            except BaseException as error:  # noqa: BLE001  # that is what is looked for
                broken.append(f"{name} of {value!r}: {error!r}")

        return use

    def rules(value: Any) -> object:
        return read_rules(value, "rules.yaml").document.sampling.rule_set()

    def rules_of(value: Any) -> object:
        return rules(json.dumps({"sampling": value}))  # JSON is YAML, and what is put in survives

    times = size.of(3000, 200)
    entry = st.fixed_dictionaries(
        {},
        optional={
            name: jsons | st.sampled_from(["5m", "1h", "high_cpu", 100, True, ["a=b", 'a=~"("']])
            for name in ("trigger", "frequency", "duration", "max_duration", "match", "where")
        },
    )
    sampling = st.fixed_dictionaries(
        {}, optional={"default": jsons, "environments": jsons, "on_alert": st.lists(entry)}
    )
    tried(_yaml | st.binary(max_size=120), times, held("rules", rules, DocumentError))
    tried(sampling | jsons, times, held("rules", rules_of, DocumentError))
    message = st.builds(lambda it: json.dumps(it), jsons) | st.binary(max_size=120)
    golden = Path(__file__).parents[3] / "agents-sdk/contract/golden"
    for name, read in (("plan", decode_plan), ("status", decode_status)):
        seed = json.loads((golden / f"{name}.json").read_text())
        near = st.tuples(st.sampled_from(sorted(seed)), jsons).map(
            lambda it, seed=seed: json.dumps(seed | {it[0]: it[1]})
        )
        tried(message | near, times, held(name, read, WireError))
    deep = "[" * 100_000
    for name, read, error in (
        ("plan", decode_plan, WireError),
        ("status", decode_status, WireError),
        ("rules", rules, DocumentError),
    ):
        for text in (deep, deep + "]" * 100_000, '{"a":' * 100_000, '{"v":1,"leases":' + deep):
            held(name, read, error)(text)
    fuzzed = atheris(size.of(60, 3), broken)
    worst = f"{counts['rules']:,} rule documents, {counts['plan'] + counts['status']:,} messages"
    return Row(
        fault="bad input: documents and messages",
        injected=counts["rules"] + counts["plan"] + counts["status"] + fuzzed,
        promised="read or refused, never anything else",
        worst=f"{worst}, {fuzzed:,} by atheris; {counts['refused']:,} of the first two refused",
        broken=broken,
    )


def atheris(seconds: int, broken: list[str]) -> int:
    """Coverage-guided, in a process of its own with a limit. Return how much it tried."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, str(FUZZER), f"-max_total_time={seconds}", "-max_len=400",
             "-rss_limit_mb=1024", "-timeout=10", "-seed=1", folder],
            cwd=folder, capture_output=True, text=True, timeout=seconds + 60, check=False,
        )  # fmt: skip  # as on a command line
    if done.returncode == 3:  # atheris is not to be had on this platform
        return 0
    if done.returncode != 0:
        broken.append(f"atheris: {done.stderr[-1500:]}")
    found = re.findall(r"^(?:#|Done )(\d+)", done.stderr, re.MULTILINE)
    return int(found[-1]) if found else 0
