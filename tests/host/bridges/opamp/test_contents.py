"""What a collector is sent: one whole number changes, and nothing else ever."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from upshift_host.bridges.opamp.contents import Contents, number_at
from upshift_host.files.contents import CannotStand, Placed, template
from upshift_host.files.presets import collector

SET = "receivers:\n  profiling:\n    samples_per_second: {hz}\n"
USERS = b"# mine\nreceivers:\n  profiling:\n    samples_per_second: 20  # upshift\n    a: 20\n"


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_two_offers_differ_in_the_number_alone_and_so_do_their_hashes(one: int, two: int) -> None:
    contents = Contents(Placed("# upshift"), False, "mine.yaml", USERS, {"other.yaml": b"b: 1\n"})
    first, second = contents.at(one), contents.at(two)
    assert first.files["other.yaml"] == b"b: 1\n"
    assert first.files["mine.yaml"] == USERS.replace(b"20  #", b"%d  #" % first.hz)
    assert (first.hash == second.hash) == (first.hz == second.hz)
    assert first.hz == min(max(one, 1), 1000)


def test_our_own_text_names_the_receiver_and_has_an_answer_to_0() -> None:
    contents = Contents(collector("profiling/node"), True, highest=200)
    assert contents.place == ("receivers", "profiling/node", "samples_per_second")
    assert [contents.reached(hz) for hz in (0, 19, 999)] == [0, 19, 200]
    off = yaml.safe_load(contents.at(0).files[""])
    assert off["receivers"]["profiling/node"] == {
        "samples_per_second": 1,
        "probabilistic_threshold": 1,
    }
    assert yaml.safe_load(contents.at(999).files[""]) == {
        "receivers": {"profiling/node": {"samples_per_second": 200}}
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SET + "more: {hz}\n", "must change in one place with the frequency, not in 2"),
        ("a: x{hz}\n", "must have the frequency alone at a, as a whole number"),
        ("a: '{hz}'\n", "must have the frequency alone at a, as a whole number"),
        ("{hz}: 1\n", "must change in one place with the frequency, not in 4"),
        ("# {hz}\na: 1\n", "must change in one place with the frequency, not in 0"),
        ("a: [{hz}\n", "must be YAML: "),
        ("a: {hz}0\n", "must have the frequency alone at a, as a whole number"),
    ],
)
def test_what_would_change_more_than_a_number_is_refused(text: str, why: str) -> None:
    with pytest.raises(CannotStand, match=why.replace("(", r"\(")):
        Contents(template(text, None), False)


def test_a_users_file_without_the_mark_or_with_two_is_refused() -> None:
    for body in (b"a: 20\n", b"a: 20  # upshift\nb: 20  # upshift\n", b"a: b  # upshift\n"):
        with pytest.raises(CannotStand):
            Contents(Placed("# upshift"), False, "mine.yaml", body)


def test_what_is_sent_at_0_has_to_be_yaml_too() -> None:
    with pytest.raises(CannotStand, match="must be YAML"):
        Contents(template(SET, "a: [\n"), True)
    assert Contents(template(SET, "a: 1\n"), True).at(0).files == {"": b"a: 1\n"}
    assert Contents(template(SET, None), False, lowest=5).at(0).hz == 5


PLACE = ("receivers", "profiling", "samples_per_second")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (SET.format(hz=97), 97),
        ("a: 1\n" + SET.format(hz=97) + "z:\n  samples_per_second: 3\n", 97),
        ("receivers:\n    other:\n        samples_per_second: 3\n    profiling:\n"
         "        b: {}\n        samples_per_second: 97\n", 97),
        ('receivers:\n  "profiling":\n    samples_per_second: 97  # mine\n', 97),
        ("receivers:\n  profiling:\n    deeper:\n      samples_per_second: 3\n", None),
        ("receivers:\n  profiling: |\n    samples_per_second: 97\n", 97),  # nobody writes that
        ("receivers:\n  other: |\n    profiling:\n      samples_per_second: 3\n", None),
        ("receivers:\n- profiling:\n    samples_per_second: 3\n", None),
        ("receivers:\n  profiling:\n    samples_per_second: x\n", None),
        ("samples_per_second: 3\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_number_is_found_at_its_place_alone(text: str, number: int | None) -> None:
    assert number_at(text, PLACE) == number


@given(st.recursive(
    st.integers(0, 10**6) | st.text("abc:|- #'", max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["profiling", "samples_per_second", "b"]), inner),
    max_leaves=12,
))  # fmt: skip
def test_what_a_program_writes_is_read_as_yaml_reads_it(value: object) -> None:
    text = yaml.safe_dump({"receivers": value, "service": {}}, default_flow_style=False)
    found: object = value
    for key in PLACE[1:]:
        found = found.get(key) if isinstance(found, dict) else None
    wanted = found if isinstance(found, int) else None
    assert number_at(text, PLACE) == wanted


@given(st.text(max_size=300))
def test_any_text_has_a_number_there_or_none(text: str) -> None:
    number_at(text, PLACE)
