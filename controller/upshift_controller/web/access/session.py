"""Who is signed in at the page: a cookie that the token itself has sealed, and nothing kept. Pure.

Any controller with the same token takes it, and none any more once the token has changed or gone.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

#: For how long one stays signed in.
LASTS_S = 12 * 3600
COOKIE = "upshift_session"


class Session(NamedTuple):
    """name: of the token. until_s: Unix time."""

    name: str
    until_s: int


def seal(session: Session, secret: bytes) -> str:
    """Return the cookie's value."""
    name = urlsafe_b64encode(session.name.encode()).decode().rstrip("=")
    return f"{name}.{session.until_s}.{_mac(secret, 'session', session)}"


def claimed(cookie: str) -> Session | None:
    """Whose session a cookie says it is, which `opens` has to confirm; None if it is no such."""
    name, _, rest = cookie.partition(".")
    until, _, _ = rest.partition(".")
    if len(cookie) > 1000 or not (until.isascii() and until.isdigit()) or len(until) > 12:
        return None
    try:
        return Session(urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode(), int(until))
    except ValueError:
        return None


def opens(cookie: str, session: Session, secret: bytes, now_s: float) -> bool:
    """Whether the token with this secret has sealed it, and it still lasts."""
    given = cookie.rpartition(".")[2].encode("utf-8", "surrogatepass")
    sealed = hmac.compare_digest(_mac(secret, "session", session).encode(), given)
    return sealed and now_s < session.until_s <= now_s + LASTS_S


def form_key(session: Session, secret: bytes) -> str:
    """What each form of the session carries, and no other site can know."""
    return _mac(secret, "form", session)


def _mac(secret: bytes, what: str, session: Session) -> str:
    text = f"upshift page {what}\0{session.name}\0{session.until_s}"
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
