"""Words on the page, and what its forms may say: pure."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshift_controller.errors import Refused
from upshift_controller.page.asking import asked
from upshift_controller.page.now import alert_url
from upshift_controller.page.shell import ours
from upshift_controller.page.wording import cores, day, left, raised, target_url
from upshift_controller.web.access.session import LASTS_S, Session, claimed, opens, seal

FORM = {"target": "checkout", "kind": "boost", "hz": "99", "duration": "10m"}


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (-5, "0 s"),
        (1, "1 s"),
        (59_999, "1 min 00 s"),
        (545_000, "9 min 05 s"),
        (3_600_000, "1 h 00 min"),
        (200 * 3_600_000, "8 d 08 h"),
    ],
)
def test_a_time_that_is_left_is_rounded_up(ms: int, words: str) -> None:
    assert left(ms) == words


@given(st.integers(-(2**80), 2**80))
def test_no_moment_is_too_far_to_be_shown(ms: int) -> None:
    assert day(ms).endswith(" UTC")


def test_what_a_lease_asks_for_is_said_in_its_unit() -> None:
    assert raised("boost", "cpu", 100) == "boost to 100 Hz"
    assert raised("cap", "heap", 4) == "cap heap at most 4 an hour"
    assert raised("cap", "all", 0) == "cap: everything off"
    assert cores(0.01) == "under 0.1 core"


@given(st.text())
def test_a_target_in_a_link_stays_below_its_view(name: str) -> None:
    url = target_url(name.encode("utf-8", "replace").decode())
    assert url.startswith("/target/")
    assert not set(url) & set("\"'<>&?# \n")


def test_a_form_takes_a_service_by_its_name_alone() -> None:
    it = asked(FORM)
    assert (it.target, it.kind, it.profile, it.hz) == ("service/checkout", "boost", "cpu", 99)
    assert it.duration_ms == 600_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target", ""),
        ("target", "service/a\nb"),
        ("kind", "raise"),
        ("profile", "all"),
        ("hz", "-1"),
        ("hz", "٣"),
        ("hz", "1e3"),
        ("hz", "9" * 99),
        ("duration", "soon"),
    ],
)
def test_a_field_that_says_nothing_is_refused(field: str, value: str) -> None:
    with pytest.raises(Refused):
        asked(FORM | {field: value})


@given(st.dictionaries(st.sampled_from([*FORM, "profile", "reason", "x"]), st.text()))
def test_no_form_does_worse_than_be_refused(form: dict[str, str]) -> None:
    with suppress(Refused):
        asked(form)


@pytest.mark.parametrize(
    "where",
    ["//evil.example", "/\\evil.example", "http://evil.example", "javascript:1", "", "/a\r\nb: c"],
)
def test_one_is_never_sent_to_another_site(where: str) -> None:
    assert ours(where) == "/"


def test_one_is_sent_where_one_came_from() -> None:
    assert ours("/target/service/a?x=1") == "/target/service/a?x=1"


def test_an_alert_is_linked_by_its_name_whatever_that_is() -> None:
    url = alert_url("http://am:9093/", 'a"b\\ <c>')
    assert url == "http://am:9093/#/alerts?filter=%7Balertname%3D%22a%5C%22b%5C%5C%20%3Cc%3E%22%7D"
    assert alert_url("http://am:9093", None) is None


NOW_S, SECRET = 1_800_000_000.0, b"0123456789abcdef"
MINE = Session("ann", int(NOW_S) + LASTS_S)


def test_a_session_is_opened_by_the_token_that_sealed_it_and_no_other() -> None:
    cookie = seal(MINE, SECRET)
    assert claimed(cookie) == MINE
    assert opens(cookie, MINE, SECRET, NOW_S)
    assert not opens(cookie, MINE, SECRET + b"x", NOW_S)


def test_a_session_ends() -> None:
    assert not opens(seal(MINE, SECRET), MINE, SECRET, MINE.until_s)


def test_a_session_that_would_last_longer_is_none() -> None:
    longer = MINE._replace(until_s=MINE.until_s + 10)
    assert not opens(seal(longer, SECRET), longer, SECRET, NOW_S)


@given(st.text())
def test_a_cookie_may_hold_anything(cookie: str) -> None:
    session = claimed(cookie)
    assert session is None or not opens(cookie, session, SECRET, NOW_S)


@given(st.text(), st.text())
def test_nobody_gets_another_name_with_a_cookie(name: str, other: str) -> None:
    name, other = (it.encode("utf-8", "replace").decode() for it in (name, other))
    rest = seal(Session(name, MINE.until_s), SECRET).partition(".")[2]
    forged = f"{seal(Session(other, MINE.until_s), b'').partition('.')[0]}.{rest}"
    session = claimed(forged)
    assert session is None or name == other or not opens(forged, session, SECRET, NOW_S)
