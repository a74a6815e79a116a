"""Who may do what: bearer tokens from files, compared in constant time, and a proxy's word."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from upshift_agent.contract import shorten

from ..errors import Refused, StartRefused
from ..settings import AuthEntry, Role, Token
from .access.session import LASTS_S, Session, claimed, form_key, opens, seal

_ALLOWED: dict[Role, frozenset[Role]] = {
    "webhook": frozenset({"webhook"}),
    "viewer": frozenset({"viewer"}),
    "operator": frozenset({"webhook", "viewer", "operator"}),
}
#: What nobody guesses: 16 random bytes in hexadecimal.
MIN_TOKEN_LENGTH = 16
#: Of a name that a proxy says, as of a token's.
MAX_NAME = 64
#: In `auth.roles`, whoever is signed in and not named there.
ANYBODY_ELSE = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is None where no tokens are set."""

    name: str | None
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Entered:
    """Who is signed in at the page, and what their forms carry."""

    caller: Caller
    form_key: str


ANYBODY = Caller(None, _ALLOWED["operator"])


@dataclass(frozen=True, slots=True)
class Proxy:
    """Signs people in, and says in a header who asks. roles: by name; `*`: of everybody else."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    header: str
    roles: Mapping[str, Role]

    @classmethod
    def of(cls, entry: AuthEntry) -> Proxy:
        return cls(ipaddress.ip_network(entry.trusted_proxy), entry.user_header, entry.roles)

    def caller(self, users: Sequence[str]) -> Caller:
        """Return who asks, by the header's values. Raise `Refused` unless they are one name."""
        name, *more = users
        # Proxies join several values with commas.
        if more or "," in name:
            raise _unknown(f"{self.header} must name one user, has several values")
        if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
            raise _unknown(
                f"{self.header} must be a name of 1–{MAX_NAME} printable characters, got "
                f"{shorten(name)}"
            )
        role = self.roles.get(name) or self.roles.get(ANYBODY_ELSE)
        return Caller(name, _ALLOWED[role] if role else frozenset())

    def is_at(self, address: str | None) -> bool:
        """Whether it speaks from there."""
        try:
            found = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped  # a listener for both writes IPv4 so
        return found in self.network


def _unknown(why: str) -> Refused:
    return Refused(why, slug="unauthorized", status=401)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens in force. None at all: loopback only, and everybody there is an operator.

    With `certificates`, a client certificate will do for the webhook, and without tokens nobody
    may do anything else.
    """

    _rows: tuple[tuple[bytes, Caller], ...] = field(default=(), repr=False)
    certificates: bool = False
    proxy: Proxy | None = None

    @property
    def none(self) -> bool:
        return not self._rows and not self.certificates and self.proxy is None

    @classmethod
    def load(
        cls, tokens: Iterable[Token], *, certificates: bool = False, proxy: Proxy | None = None
    ) -> Tokens:
        """Read the files. Raise `StartRefused` naming the first that is of no use."""
        return cls(
            tuple(
                (read_secret(Path(token.file)), Caller(token.name, _ALLOWED[token.role]))
                for token in tokens
            ),
            certificates,
            proxy,
        )

    def signed_in(self, cookie: str, now_s: float) -> Entered | None:
        """Return who is signed in at the page with this cookie; None if nobody."""
        session = claimed(cookie)
        for secret, who in self._rows:
            if session and who.name == session.name and opens(cookie, session, secret, now_s):
                return Entered(who, form_key(session, secret))
        return None

    def sign_in(self, token: str, now_s: float) -> str | None:
        """Return the page's cookie for the holder of a token that may look; None for any other."""
        given = token.strip().encode("utf-8", "surrogatepass")
        found = [(it, who) for it, who in self._rows if hmac.compare_digest(it, given)]
        for secret, who in found:
            if who.name is not None and "viewer" in who.roles:
                return seal(Session(who.name, int(now_s) + LASTS_S), secret)
        return None

    def caller(
        self,
        authorization: str | None,
        certificate: Mapping[str, Any] | None = None,
        address: str | None = None,
        users: Sequence[str] = (),
    ) -> Caller | None:
        """Return who sends this `Authorization` header; None if nobody that we know.

        certificate: the client's, verified, as `ssl` returns it. It counts where no header is sent.
        users: the values of the proxy's header, sent from `address`. A known token comes first;
        from anywhere else they are ignored. Raise `Refused` where they are no name, or from
        elsewhere and the only sign.
        """
        if self.none:
            return ANYBODY
        scheme, _, given = (authorization or "").partition(" ")
        secret = given.strip().encode("utf-8", "surrogatepass")
        # All are compared, so that the time taken does not tell which one was nearly right.
        found = [who for token, who in self._rows if hmac.compare_digest(token, secret)]
        if found and scheme.lower() == "bearer":
            return found[0]
        if self.proxy is not None and users and self.proxy.is_at(address):
            who = self.proxy.caller(users)
            if any(who.name == it.name for _, it in self._rows):
                raise _unknown(
                    f"{who.name} is a token's name: the history could not tell them apart"
                )
            return who
        if authorization is None and certificate and self.certificates:
            return Caller(_name(certificate), _ALLOWED["webhook"])
        if self.proxy is not None and users:
            raise _unknown(f"{self.proxy.header} counts from auth.trusted_proxy only")
        return None


def _name(certificate: Mapping[str, Any]) -> str:
    subject = {name: value for row in certificate.get("subject", ()) for name, value in row}
    return str(subject.get("commonName", "a client certificate"))[:64]


def read_secret(path: Path) -> bytes:
    """A secret that stands alone in a file. Raise `StartRefused` when it can't be used."""
    return _long_enough(path, _read(path).strip())


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """Secrets, one a line and at least one. Raise `StartRefused` when one can't be used."""
    lines = [line.strip() for line in _read(path).split(b"\n")]
    return tuple(_long_enough(path, line) for line in lines if line) or (_long_enough(path, b""),)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartRefused(f"cannot read {path}: {error.strerror}") from error


def _long_enough(path: Path, secret: bytes) -> bytes:
    if len(secret) < MIN_TOKEN_LENGTH:
        raise StartRefused(f"{path} must hold at least {MIN_TOKEN_LENGTH} bytes, has {len(secret)}")
    return secret
