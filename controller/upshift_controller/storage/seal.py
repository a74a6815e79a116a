"""Stored states are signed as plans are. Pure.

Otherwise whoever may write to Redis could plant a lease in a state, and wait for a controller to
sign the plan that it makes of it. With no secret set, everything passes, as it does for plans.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from upshift_agent.contract.errors import SignatureRefused

#: JSON without padding holds no line break, so this one ends the document.
_BREAK = b"\n"


def seal(target: str, document: str, secrets: Sequence[bytes]) -> str:
    """Return `document` of `target`, signed with the first secret, if there is one."""
    if not secrets:
        return document
    return f"{document}\n{_signature(target, document.encode(), secrets[0])}"


def unseal(target: str, stored: bytes, secrets: Sequence[bytes]) -> bytes:
    """Return the document inside. Raise `SignatureRefused` unless one of the secrets signed it."""
    document, _, signature = stored.partition(_BREAK)
    fits = [_fits(target, document, signature, secret) for secret in secrets]
    if secrets and not any(fits):
        raise SignatureRefused(
            f"the state of {target} is signed with none of the secrets"
            if signature
            else f"the state of {target} is not signed, and a secret is set"
        )
    return document


def is_sealed(stored: bytes) -> bool:
    return _BREAK in stored


def signed_otherwise(target: str, stored: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether `stored` would be believed, but is not as `seal` would leave it."""
    document, _, signature = stored.partition(_BREAK)
    if not secrets:
        return is_sealed(stored)
    first, *others = (_fits(target, document, signature, secret) for secret in secrets)
    return any(others) and not first


def _fits(target: str, document: bytes, signature: bytes, secret: bytes) -> bool:
    return hmac.compare_digest(_signature(target, document, secret).encode(), signature)


def _signature(target: str, document: bytes, secret: bytes) -> str:
    # No plan begins like this, so neither can pass for the other.
    text = b"state of " + target.encode() + _BREAK + document
    return hmac.new(secret, text, hashlib.sha256).hexdigest()
