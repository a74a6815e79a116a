"""`alertmanager:` of `upshift.yaml`: which servers are asked, as whom, and how they are known."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from upshift_rules.documents.fields import Line, Text
from upshift_rules.documents.located import Section
from upshift_rules.documents.nodes import Path as Place
from upshift_rules.text import show

from ..errors import StartRefused

MAX_URLS = 16


def _url(value: str) -> str:
    wrong = f"must be a URL such as http://127.0.0.1:9093, got {show(value)}"
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises what is no number
    except ValueError as error:
        raise ValueError(wrong) from error
    if "@" in parts.netloc:  # which may hold a password, so it is not shown
        raise ValueError("must not name a user: give user and password_file")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(wrong)
    return value.rstrip("/")


class ClientTls(Section):
    """PEM files. They are read again with each reload."""

    ca: Line | None = Field(
        default=None, description="CA file that its certificate is of. Default: the system's."
    )
    certificate: Line | None = Field(
        default=None, description="File with our certificate, and the chain below it."
    )
    key: Line | None = Field(default=None, description="File with its key, not encrypted.")


class AlertmanagerEntry(Section):
    """Alertmanagers whose lists of alerts are read, so that no lost webhook costs a boost."""

    urls: list[Annotated[Line, AfterValidator(_url)]] = Field(
        min_length=1,
        max_length=MAX_URLS,
        description="Of one, or of each of those that run as a cluster.",
        examples=["[http://127.0.0.1:9093]"],
    )
    receiver: Text = Field(
        default="upshift",
        description="The receiver there whose webhook is ours; its alerts are read.",
    )
    token_file: Line | None = Field(default=None, description="File with a bearer token to send.")
    user: Text | None = Field(default=None, description="User to sign in as (basic auth).")
    password_file: Line | None = Field(default=None, description="File with that one's password.")
    tls: ClientTls = Field(default_factory=ClientTls, description="How https:// is spoken.")

    def beside(self, beside: Callable[[str | None], str | None]) -> AlertmanagerEntry:
        """Return this with the paths that `beside` makes of its own."""
        files = {name: beside(getattr(self.tls, name)) for name in ClientTls.model_fields}
        return self.model_copy(
            update={
                "token_file": beside(self.token_file),
                "password_file": beside(self.password_file),
                "tls": self.tls.model_copy(update=files),
            }
        )


def faults(entry: object) -> Iterable[tuple[Place, str]]:
    """Faults that lie between the fields of an entry, valid or not: where, and what."""
    if isinstance(entry, str):
        yield (), "write it as {urls: [http://127.0.0.1:9093], receiver: upshift}"
    if not isinstance(entry, dict):
        return
    stated = entry.get("urls")
    urls = stated[: MAX_URLS + 1] if isinstance(stated, list) else []
    for index, url in enumerate(urls):
        if url in urls[:index]:  # not shown, since a password may be in it
            yield ("urls", index), "this URL is given a second time; keep one"
    given = {name for name, value in entry.items() if value is not None}
    for one, other in (("user", "password_file"), ("password_file", "user")):
        if one in given and other not in given:
            yield (one,), f"{one} needs {other} beside it"
    if {"user", "token_file"} <= given:
        yield ("token_file",), "give either token_file or user, not both"
    tls = entry.get("tls")
    files = {name for name, it in tls.items() if it is not None} if isinstance(tls, dict) else ()
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if one in files and other not in files:
            yield ("tls", one), f"{one} needs {other} beside it"


@dataclass(frozen=True, slots=True)
class Access:
    """Whom to ask, with what they are known by.

    entry: files and all. context: for https://, None where the system's CAs are enough.
    """

    entry: AlertmanagerEntry
    context: ssl.SSLContext | None = field(repr=False, compare=False)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self.entry.urls)

    @property
    def receiver(self) -> str:
        return self.entry.receiver

    @classmethod
    def of(cls, entry: AlertmanagerEntry) -> Access:
        """Read the files. Raise `StartRefused` naming the first that is of no use."""
        access = cls(entry, _context(entry.tls))
        try:
            access.headers()
        except (OSError, ValueError) as error:
            raise StartRefused(f"alertmanager: {error}") from error
        return access

    def headers(self) -> Mapping[str, str]:
        """Return what to authenticate with, read from its file now, since tokens change. Raise
        `OSError` or `ValueError`."""
        entry = self.entry
        if entry.token_file is not None:
            return {"Authorization": f"Bearer {_secret(entry.token_file)}"}
        if entry.user is not None and entry.password_file is not None:
            pair = f"{entry.user}:{_secret(entry.password_file)}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return {}


def _secret(name: str) -> str:
    try:
        secret = Path(name).read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8") from error
    if not secret.isprintable() or not secret:
        raise ValueError(f"{name} must hold one line")
    return secret


def _context(tls: ClientTls) -> ssl.SSLContext | None:
    if not any(value for _, value in tls):
        return None
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            # The empty password keeps OpenSSL from asking the terminal for one.
            context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(f"{name} {value}" for name, value in tls if value)
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise StartRefused(f"alertmanager.tls: {named}: {why or 'not usable PEM'}") from error
    return context
