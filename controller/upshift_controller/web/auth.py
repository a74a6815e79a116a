"""Who may do what: bearer tokens from files, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import StartRefused
from ..settings import Role, Token

_ALLOWED: dict[Role, frozenset[Role]] = {
    "webhook": frozenset({"webhook"}),
    "viewer": frozenset({"viewer"}),
    "operator": frozenset({"webhook", "viewer", "operator"}),
}
#: What nobody guesses: 16 random bytes in hexadecimal.
MIN_TOKEN_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is None where no tokens are set."""

    name: str | None
    roles: frozenset[Role]


ANYBODY = Caller(None, _ALLOWED["operator"])


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens in force. None at all: loopback only, and everybody there is an operator.

    With `certificates`, a client certificate will do for the webhook, and without tokens nobody
    may do anything else.
    """

    _rows: tuple[tuple[bytes, Caller], ...] = field(default=(), repr=False)
    certificates: bool = False

    @property
    def none(self) -> bool:
        return not self._rows and not self.certificates

    @classmethod
    def load(cls, tokens: Iterable[Token], *, certificates: bool = False) -> Tokens:
        """Read the files. Raise `StartRefused` naming the first that is of no use."""
        return cls(
            tuple(
                (read_secret(Path(token.file)), Caller(token.name, _ALLOWED[token.role]))
                for token in tokens
            ),
            certificates,
        )

    def caller(
        self, authorization: str | None, certificate: Mapping[str, Any] | None = None
    ) -> Caller | None:
        """Return who sends this `Authorization` header; None if nobody that we know.

        certificate: the client's, verified, as `ssl` returns it. It counts where no header is sent.
        """
        if self.none:
            return ANYBODY
        if authorization is None and certificate and self.certificates:
            return Caller(_name(certificate), _ALLOWED["webhook"])
        scheme, _, given = (authorization or "").partition(" ")
        secret = given.strip().encode("utf-8", "surrogatepass")
        # All are compared, so that the time taken does not tell which one was nearly right.
        found = [who for token, who in self._rows if hmac.compare_digest(token, secret)]
        return found[0] if found and scheme.lower() == "bearer" else None


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
