"""Where Redis is: one server, the primary that sentinels name, or a cluster. Pure.

redis://HOST:PORT/DB                          also rediss:// (TLS) and unix://
redis+sentinel://HOST:PORT,HOST:PORT/NAME/DB  also rediss+sentinel://
redis+cluster://HOST:PORT,HOST:PORT           also rediss+cluster://

`user:password@` goes before the hosts, some of redis-py's options (`OPTIONS`) after a `?`; both
hold for every server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .errors import ConfigurationError

SCHEMES = tuple(
    f"{scheme}://"
    for scheme in (
        *("redis", "rediss", "unix"),
        *("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
    )
)
#: Options that may stand in a URL; the second ones with TLS only.
OPTIONS = ("db", "username", "password", "client_name", "socket_keepalive")
TLS_OPTIONS = (
    *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"),
    *("ssl_cert_reqs", "ssl_check_hostname"),
)
#: Others that redis-py knows. They would change what is read, or how long is waited, under us.
_OURS = (
    *("decode_responses", "encoding", "encoding_errors", "protocol", "max_connections", "timeout"),
    *("socket_timeout", "socket_connect_timeout", "retry_on_timeout", "health_check_interval"),
)
_VALUES = {
    "db": re.compile(r"\d{1,5}"),
    "socket_keepalive": re.compile("(?i)true|false|yes|no|0|1"),
    "ssl_check_hostname": re.compile("(?i)true|false|yes|no|0|1"),
    "ssl_cert_reqs": re.compile("none|optional|required"),
}
SENTINEL_PORT = 26379
REDIS_PORT = 6379

Host = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Address:
    """`hosts` are sentinels, or some of a cluster's nodes; of a single server there is none."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[Host, ...]
    #: What the sentinels call the primary.
    name: str
    #: For people, in a message: hosts, and a sentinel's primary.
    shown: str
    #: As it was given: of a single server, redis-py's own.
    url: str = field(repr=False)
    _parts: SplitResult = field(repr=False)

    @property
    def public(self) -> str:
        """The URL that anybody may see: without user, password and options, which may hold one."""
        hosts = self._parts.netloc.rpartition("@")[2]
        return f"{self._parts.scheme}://{hosts}{self._parts.path}"

    def url_of(self, host: Host, *, sentinel: bool = False) -> str:
        """redis-py's URL of one server. A sentinel has no databases."""
        scheme, _, _ = self._parts.scheme.partition("+")
        user, at, _ = self._parts.netloc.rpartition("@")
        name = f"[{host[0]}]" if ":" in host[0] else host[0]
        database = "" if sentinel else self._parts.path.strip("/").partition("/")[2]
        path = f"/{database}" if database else ""
        return self._parts._replace(
            scheme=scheme, netloc=f"{user}{at}{name}:{host[1]}", path=path
        ).geturl()


def parse_address(url: object) -> Address:
    """Raise `ConfigurationError`, whose message never holds the URL: there may be a password."""
    if not isinstance(url, str):
        raise ConfigurationError("it is not text")
    try:
        parts = urlsplit(url)
        base, _, kind = parts.scheme.partition("+")
        where = parts.path if base == "unix" else parts.netloc.rpartition("@")[2]
        if f"{parts.scheme}://" not in SCHEMES or not where:
            raise ConfigurationError(f"it must begin with {', '.join(SCHEMES)}")
        _check_options(parts.query, tls=base == "rediss")
        if kind == "sentinel":
            return _sentinels(parts, where)
        if kind == "cluster":
            return _cluster(parts, where)
        _ = parts.port  # parsed, and refused, only when asked for
        if base != "unix" and not re.fullmatch(r"/?(\d{1,5})?", parts.path):
            raise ConfigurationError("the database after the host must be a number")
    except ValueError:
        raise ConfigurationError("its host or port cannot be read") from None
    return Address("single", (), "", where, parts.scheme + url[len(parts.scheme) :], parts)


def _check_options(query: str, *, tls: bool) -> None:
    """No more of an unknown option is shown than that it is there: it may be a piece of a password
    with a `?` in it."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _OURS:
            raise ConfigurationError(f"its option {name} is not for a URL to set; leave it out")
        if name in TLS_OPTIONS and not tls:
            raise ConfigurationError(f"its option {name} is for rediss:// only")
        if name not in (*OPTIONS, *TLS_OPTIONS):
            raise ConfigurationError(
                f"it has an option that is none of {', '.join((*OPTIONS, *TLS_OPTIONS))}"
            )
        if name in _VALUES and not _VALUES[name].fullmatch(value):
            raise ConfigurationError(f"the value of its option {name} cannot be used")


def _sentinels(parts: SplitResult, where: str) -> Address:
    name, _, database = unquote(parts.path).strip("/").partition("/")
    if not name:
        raise ConfigurationError(
            "sentinels must be told the primary's name, as in redis+sentinel://HOST:26379/NAME"
        )
    if database and not database.isdigit():
        raise ConfigurationError("the database after the primary's name must be a number")
    return Address(
        "sentinel", _hosts(where, SENTINEL_PORT), name, f"{where}/{name}", parts.geturl(), parts
    )


def _cluster(parts: SplitResult, where: str) -> Address:
    if parts.path.strip("/") not in ("", "0"):
        raise ConfigurationError("a cluster has no databases, so nothing may follow its hosts")
    return Address("cluster", _hosts(where, REDIS_PORT), "", where, parts.geturl(), parts)


def _hosts(where: str, default_port: int) -> tuple[Host, ...]:
    hosts = []
    for host in where.split(","):
        one = urlsplit(f"//{host}")
        if not one.hostname:
            raise ConfigurationError("between commas there must be HOST:PORT")
        hosts.append((one.hostname, one.port or default_port))
    return tuple(hosts)
