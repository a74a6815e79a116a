"""Where Redis is, as one URL says it."""

import pytest

from upshift_agent.address import parse_address
from upshift_agent.errors import ConfigurationError


@pytest.mark.parametrize("url", ["redis://h:1/2?x=y", "rediss://u:p@h", "unix:///run/redis.sock"])
def test_a_single_server_s_url_is_left_to_redis_py(url: str) -> None:
    address = parse_address(url)
    assert (address.kind, address.url) == ("single", url)


def test_sentinels_are_listed_before_the_primary_s_name() -> None:
    address = parse_address("redis+sentinel://ann:s%40cret@one:1,[::1]:2,three/main/4?health=1")
    assert address.kind == "sentinel"
    assert address.hosts == (("one", 1), ("::1", 2), ("three", 26379))
    assert address.name == "main"
    assert address.shown == "one:1,[::1]:2,three/main"
    assert address.url_of(("h", 9)) == "redis://ann:s%40cret@h:9/4?health=1"
    assert address.url_of(("::2", 9), sentinel=True) == "redis://ann:s%40cret@[::2]:9?health=1"


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
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        parse_address(url)
    assert "hunter2" not in str(caught.value)
