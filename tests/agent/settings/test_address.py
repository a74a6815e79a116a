"""Where Redis is, as one URL says it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from upshift_agent.contract.address import SCHEMES, parse_address
from upshift_agent.contract.errors import ConfigurationError


@pytest.mark.parametrize(
    "url", ["redis://h:1/2?client_name=x", "rediss://u:p@h", "unix:///run/redis.sock"]
)
def test_a_single_server_s_url_is_left_to_redis_py(url: str) -> None:
    address = parse_address(url)
    assert (address.kind, address.url) == ("single", url)


def test_sentinels_are_listed_before_the_primary_s_name() -> None:
    address = parse_address(
        "redis+sentinel://ann:s%40cret@one:1,[::1]:2,three/main/4?client_name=x"
    )
    assert address.kind == "sentinel"
    assert address.hosts == (("one", 1), ("::1", 2), ("three", 26379))
    assert address.name == "main"
    assert address.shown == "one:1,[::1]:2,three/main"
    assert address.url_of(("h", 9)) == "redis://ann:s%40cret@h:9/4?client_name=x"
    assert address.url_of(("::2", 9), sentinel=True) == "redis://ann:s%40cret@[::2]:9?client_name=x"


def test_some_nodes_of_a_cluster_are_enough() -> None:
    address = parse_address("rediss+cluster://:pass@one,two:7000?ssl_ca_certs=/ca.pem")
    assert address.kind == "cluster"
    assert address.hosts == (("one", 6379), ("two", 7000))
    assert address.url_of(("h", 9)) == "rediss://:pass@h:9?ssl_ca_certs=/ca.pem"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (None, "not text"),
        ("redis+sentinel://hunter2@h", "told the primary's name"),
        ("redis+sentinel://:hunter2@h/main/first", "must be a number"),
        ("redis+sentinel://:hunter2@h,,i/main", "between commas"),
        ("redis+sentinel://:hunter2@h:port/main", "host or port"),
        ("redis+cluster://:hunter2@h/3", "no databases"),
        ("redis+ring://:hunter2@h", r"begin with redis://, .*redis\+cluster://"),
        ("redis://:hunter2@[h", "host or port"),
        ("redis://:hunter2@h/x", "database after the host must be a number"),
        ("redis://:hunter2@h:99999", "host or port"),
        ("redis://:hunter2@h?decode_responses=True", "option decode_responses is not for a URL"),
        ("redis+cluster://:hunter2@h?socket_timeout=1", "option socket_timeout is not for a URL"),
        ("redis+sentinel://:hunter2@h/m?protocol=3", "option protocol is not for a URL"),
        ("redis://:pass?hunter2@h", "host or port|none of|must be a number"),
        ("redis://h?ssl_ca_certs=hunter2", "option ssl_ca_certs is for rediss://"),
        ("rediss://h?ssl_cert_reqs=hunter2", "value of its option ssl_cert_reqs"),
        ("redis://h?hunter2=1", "none of db, username"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        parse_address(url)
    assert "hunter2" not in str(caught.value)


def test_a_schemes_letter_case_does_not_matter() -> None:
    assert parse_address("REDIS://h:1").url == "redis://h:1"


texts = st.text("a1/:@?=&%[]._-", max_size=12)


@given(
    st.sampled_from(SCHEMES),
    texts,
    st.sampled_from(["", "?db=1", "?ssl_cert_reqs=none", "?client_name=x", "?encoding=x", "?a=b"]),
)
def test_whatever_is_taken_redis_py_can_make_a_client_of(
    scheme: str, rest: str, query: str
) -> None:
    try:
        address = parse_address(f"{scheme}{rest}{query}")
    except ConfigurationError:
        return
    urls = [address.url] if address.kind == "single" else map(address.url_of, address.hosts)
    for url in urls:
        Redis.from_url(url).close()
