"""What the view Rules says of each rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.page.test_timeline import NOW_MS, anything, boost, line, lines
from upshift_controller.page.rules import rules
from upshift_controller.storage.history import HistoryLine
from upshift_rules.documents.document import read_rules

TEXT = """\
sampling:
  on_alert:
    - {trigger: high_cpu, frequency: 99, duration: 10m, while_firing: true}
    - {trigger: memory, frequency: 49, duration: 5m}
"""
RULES = read_rules(TEXT, "rules.yaml").document.sampling.rule_set()


def of(rule: object) -> dict[str, object]:
    return boost(NOW_MS, 1000) | {"because": {"rule": rule}}


def test_a_rule_has_what_it_did_counted_and_its_last_boost() -> None:
    told = [
        line("refused", NOW_MS, of("high_cpu")),
        line("renewed", NOW_MS - 1, of("high_cpu")),
        line("granted", NOW_MS - 2, of("high_cpu")),
        line("granted", NOW_MS - 3, of("high_cpu")),
        line("granted", NOW_MS, of("removed since")),
    ]
    high, memory = rules(RULES, told)
    assert high.did == {"refused": 1, "renewed": 1, "granted": 2}
    assert high.last_ms == NOW_MS - 2
    assert (memory.name, memory.did, memory.last_ms) == ("memory", {}, None)
    assert "for 10m" in high.asks
    assert "while it fires" in high.asks


@given(lines, st.lists(anything))
def test_whatever_a_history_says_there_is_a_row_for_each_rule(
    several: list[HistoryLine], names: list[object]
) -> None:
    told = several + [line("granted", NOW_MS, of(name)) for name in names]
    assert [it.name for it in rules(RULES, told)] == ["high_cpu", "memory"]
