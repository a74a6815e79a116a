"""The signature of a message: HMAC-SHA-256 over its text, in hexadecimal."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from .errors import SignatureRefused


def signature_of(text: str, secret: bytes) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def verify(text: str, signature: str, secrets: Iterable[bytes]) -> None:
    given = signature.encode()
    # Every secret is tried, also after a match: the time taken must not tell which one fits.
    matches = [hmac.compare_digest(signature_of(text, s).encode(), given) for s in secrets]
    if not any(matches):
        raise SignatureRefused("this plan's signature fits none of the secrets set")
