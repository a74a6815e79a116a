"""What bpftrace is told to run, and what it prints."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.drivers.bpftrace import program


def test_each_process_is_sampled_at_its_own_rate() -> None:
    assert program.write({12: 19, 13: 100, 14: 19}, 15).splitlines() == [
        "BEGIN { @rate[12] = 19; @rate[13] = 100; @rate[14] = 19; }",
        "profile:hz:19 /@on && @rate[pid] == 19/ "
        "{ @seen[pid, kstack(perf), ustack(perf)] = count(); }",
        "profile:hz:100 /@on && @rate[pid] == 100/ "
        "{ @seen[pid, kstack(perf), ustack(perf)] = count(); }",
        'interval:ms:100 /!@on/ { @on = 1; printf("upshift: began %llu\\n", nsecs); }',
        "interval:s:15 { exit(); }",
        'END { printf("upshift: ended %llu\\n", nsecs); }',
    ]


@pytest.mark.parametrize("bad", [0, -1, True, "1; exit()", 1.5])
def test_nothing_but_numbers_gets_into_the_program(bad: int) -> None:
    with pytest.raises(ValueError, match="no whole number above 0"):
        program.write({bad: 19}, 15)
    with pytest.raises(ValueError, match="no whole number above 0"):
        program.write({12: bad}, 15)


def printed(key: str, count: int) -> str:
    return json.dumps({"type": "map", "data": {"@seen": {key: count}}})


def test_user_and_kernel_frames_come_out_root_first() -> None:
    key = (
        "12,\n\tffffffff8100 do_nothing+5\n\tffffffff8200 entry+0\n,"
        "\n\t55d1 operator,(Money const&, int)+16 (/opt/shop/bin/pay)\n"
        "\t55d2 main+64 (/opt/shop/bin/pay)\n\t7f01 0x7f01 (/usr/lib/libc.so.6)\n"
        "\t7f02 0x7f02 ([unknown])\n"
    )
    assert program.read(printed(key, 7)) == {
        12: {
            (
                "[unknown]",
                "[libc.so.6]",
                "main",
                "operator,(Money const&, int)",
                "entry_[k]",
                "do_nothing_[k]",
            ): 7
        }
    }


def test_a_process_without_a_stack_is_counted_all_the_same() -> None:
    assert program.read(printed("12,,", 3)) == {12: {("[no stack]",): 3}}


def test_it_says_from_when_until_when_samples_were_counted() -> None:
    said = [
        {"type": "printf", "data": f"upshift: {it}\n"} for it in ("began 1500000000", "ended 2")
    ]
    output = "\n".join(map(json.dumps, said))
    assert program.moment(output, program.BEGAN) == 1.5
    assert program.moment(output, program.ENDED) == 2e-9
    assert program.moment(output[:20], program.BEGAN) is None


def test_stacks_that_it_cannot_name_are_all_counted() -> None:
    twice = '{"type": "map", "data": {"@seen": {"12,,": 3, "12,,": 4}}}'
    assert program.read(twice) == {12: {("[no stack]",): 7}}


def test_other_lines_and_lines_cut_off_are_left_out() -> None:
    lines = ['{"type": "attached_probes", "data": {"probes": 5}}', printed("1,,", 1), "{", "7", ""]
    assert program.read("\n".join([*lines, printed("1,,", 1)[:-4]])) == {1: {("[no stack]",): 1}}


@given(st.dictionaries(st.text(max_size=30), st.one_of(st.integers(), st.text(max_size=3))))
def test_whatever_it_prints_never_raises(said: dict[str, object]) -> None:
    program.read(json.dumps({"type": "map", "data": {"@seen": said}}))


def test_what_waits_is_counted_when_it_is_back_or_at_the_end() -> None:
    stack = "\n\tff81 schedule+35\n"
    maps = {
        "@ran": {"12,,\n\t55d2 main+64 (/bin/x)\n": 2},
        "@waited": {f"12,{stack},\n\t55d2 main+64 (/bin/x)\n": 5},
        "@gone": {"13": 1_000_000_000, "14": 2_000_000_000},
        "@whose": {"13": 12, "14": 12},
        "@kernel": {"13": stack, "14": stack},
        "@user": {"13": "\n\t55d2 idle+1 (/bin/x)\n", "14": "\n\t55d2 late+1 (/bin/x)\n"},
    }
    output = "\n".join(json.dumps({"type": "map", "data": {name: it}}) for name, it in maps.items())
    assert program.read(output) == {}
    assert program.read_waits(output, {12: 10}, 2.05) == {
        12: {("main",): 2, ("main", "schedule_[k]"): 5, ("idle", "schedule_[k]"): 10}
    }


def test_switches_are_looked_at_only_where_somebodys_waits_are_wanted() -> None:
    written = program.write({}, 15, {12: 100, 13: 19})
    assert written.startswith("BEGIN {  @period[12] = 10000000; @period[13] = 52631578; }")
    assert "profile:hz:100 /@on && @period[pid] == 10000000/" in written
    assert "sched_switch" in written
    assert "sched_switch" not in program.write({12: 19}, 15)


@given(st.dictionaries(st.text(max_size=30), st.one_of(st.integers(), st.text(max_size=3))))
def test_whatever_it_prints_of_waits_never_raises(said: dict[str, object]) -> None:
    lines = [{"type": "map", "data": {name: said}} for name in ("@gone", "@whose", "@waited")]
    program.read_waits("\n".join(map(json.dumps, lines)), {12: 100}, 2.0)
