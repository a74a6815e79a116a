"""Keys and channels: one of each per target, all of a target's in one cluster slot."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from upshift_agent.contract import Keys
from upshift_agent.contract.errors import ConfigurationError

from .strategies import targets

KEYS = Keys()
PER_TARGET: list[Callable[[str], str]] = [
    KEYS.state,
    KEYS.plan,
    KEYS.changes,
    KEYS.history,
    KEYS.agents,
]
CORNERS = ["service/a", "service/A", "service/a b", "service/a%20b", "service/~", "service/%7E"]


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("fleet", "upshift:v1:{fleet}:plan"),
        ("service/checkout", "upshift:v1:{service/checkout}:plan"),
        ("node/worker-3.example_1", "upshift:v1:{node/worker-3.example_1}:plan"),
        ("service/a/b", "upshift:v1:{service/a/b}:plan"),
        ("service/a b", "upshift:v1:{service/a%20b}:plan"),
        ("service/a+b", "upshift:v1:{service/a%2Bb}:plan"),
        ("service/~a", "upshift:v1:{service/%7Ea}:plan"),
        ("service/{a}:b", "upshift:v1:{service/%7Ba%7D%3Ab}:plan"),
        ("service/100%", "upshift:v1:{service/100%25}:plan"),
        ("service/a\nb", "upshift:v1:{service/a%0Ab}:plan"),
        ("service/*?[a]", "upshift:v1:{service/%2A%3F%5Ba%5D}:plan"),
        ("service/Zürich", "upshift:v1:{service/Z%C3%BCrich}:plan"),
        ("service/🚀", "upshift:v1:{service/%F0%9F%9A%80}:plan"),
    ],
)
def test_a_target_is_percent_encoded(target: str, key: str) -> None:
    assert KEYS.plan(target) == key


def test_the_names_are_those_of_the_contract() -> None:
    keys = Keys("acme")
    assert [
        keys.state("fleet"),
        keys.changes("fleet"),
        keys.history("fleet"),
        keys.agents("fleet"),
        keys.due,
        keys.targets,
        keys.reporting,
        keys.budget,
    ] == [
        "acme:v1:{fleet}:state",
        "acme:v1:{fleet}:changes",
        "acme:v1:{fleet}:history",
        "acme:v1:{fleet}:agents",
        "acme:v1:due",
        "acme:v1:targets",
        "acme:v1:reporting",
        "acme:v1:budget",
    ]


@given(targets)
def test_a_key_holds_nothing_that_redis_or_a_shell_would_read_otherwise(target: str) -> None:
    tag = KEYS.plan(target).removeprefix("upshift:v1:{").removesuffix("}:plan")
    assert re.fullmatch(r"([A-Za-z0-9._/-]|%[0-9A-F]{2})+", tag)


@given(targets | st.sampled_from(CORNERS), targets | st.sampled_from(CORNERS))
def test_two_targets_never_share_a_key(one: str, other: str) -> None:
    keys = {key(target) for key in PER_TARGET for target in (one, other)}
    assert len(keys) == len(PER_TARGET) * len({one, other})


@given(targets, st.sampled_from(["upshift", "a", "acme.eu", "team_x"]))
def test_a_target_s_keys_share_one_cluster_slot(target: str, namespace: str) -> None:
    keys = Keys(namespace)
    names = [key(target) for key in (keys.state, keys.plan, keys.changes, keys.history)]
    assert len({key_slot(name.encode()) for name in names}) == 1


@pytest.mark.parametrize(
    "namespace", ["", "a{b", "a{}", "a b", "a*", "a\n", "é", "a/b", "a:b", "a" * 65]
)
def test_a_namespace_that_would_break_the_keys_is_refused(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="a namespace is made of letters, digits"):
        Keys(namespace)
