"""Parsing what Alertmanager sends, and what somebody else might."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.conftest import alert, notification
from upshift_controller.errors import Refused
from upshift_controller.sources.alertmanager.payload import (
    fingerprint_of,
    milliseconds,
    parse_example,
    parse_notification,
)
from upshift_rules.model import BadTrigger, Trigger

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
almost_an_alert = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["firing", "resolved"]) | anything,
        "labels": st.dictionaries(st.text(), st.text()) | anything,
        "annotations": anything,
        "startsAt": st.sampled_from(["2026-01-31T12:00:00Z", "0001-01-01T00:00:00Z"]) | anything,
        "fingerprint": st.text() | anything,
        "generatorURL": anything,
    },
)


@given(st.lists(almost_an_alert | anything))
def test_every_alert_is_read_or_named(alerts: list[object]) -> None:
    body = json.dumps({"version": "4", "alerts": alerts}).encode()
    parsed = parse_notification(body).alerts
    assert len(parsed) == len(alerts)
    for i, one in enumerate(parsed):
        assert isinstance(one, Trigger) or one.reason.startswith(f"alerts[{i}]")


@given(st.binary() | anything.map(lambda it: json.dumps(it).encode()))
def test_any_body_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    for parse in (parse_notification, parse_example):
        with suppress(Refused):
            parse(body)


def test_each_alerts_own_status_counts_whatever_the_notification_says() -> None:
    body = notification(alert(status="resolved"), alert()) | {"status": "resolved"}
    parsed = parse_notification(json.dumps(body).encode()).alerts
    assert [it.status for it in parsed if isinstance(it, Trigger)] == ["resolved", "firing"]


def test_an_alert_without_a_fingerprint_gets_one_of_its_labels() -> None:
    labels = {"b": "2", "a": "1"}
    row = {k: v for k, v in alert(labels).items() if k != "fingerprint"}
    (parsed,) = parse_notification(json.dumps(notification(row)).encode()).alerts
    assert not isinstance(parsed, BadTrigger)
    assert parsed.identity == fingerprint_of({"a": "1", "b": "2"})
    assert parsed.identity != fingerprint_of({"a": "1", "b": "3"})


@pytest.mark.parametrize(
    ("moment", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:00.123456789+01:00", 123),
        ("1970-01-01T00:00:00", None),  # a time of where?
        ("yesterday", None),
        ("9999-12-31T23:59:59Z", 253402300799000),
        ("99999-12-31T23:59:59Z", None),
    ],
)
def test_times_are_rfc_3339(moment: str, ms: int | None) -> None:
    assert milliseconds(moment) == ms
