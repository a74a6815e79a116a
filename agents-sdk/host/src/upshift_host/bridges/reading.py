"""`bridge.yaml` → what is in force. All of it, or `StartRefused` and nothing."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from upshift_agent.contract.address import parse_address
from upshift_agent.contract.errors import ConfigurationError
from upshift_rules.documents.located import DocumentError, read_located

from ..errors import StartRefused
from .settings import BridgeDocument, TlsEntry

#: Looked for where no `--config` is given.
DEFAULT_FILES = ("bridge.yaml", "/etc/upshift/bridge.yaml")
MAX_FILE = 1024 * 1024  # bytes

Which = Literal["opamp", "elastic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """folder: the file's, which paths in it begin at. tokens: that let a supervisor in."""

    document: BridgeDocument
    folder: Path
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    tokens: tuple[bytes, ...] = field(default=(), repr=False)


def load(path: Path | None, which: Which | None = None) -> Settings:
    """Read `path`, or the first default file there is. Raise `StartRefused` with every fault.

    which: the bridge that is to run, whose section must be there.
    """
    path = path or next((Path(name) for name in DEFAULT_FILES if Path(name).exists()), None)
    if path is None:
        raise StartRefused(
            f"no configuration: pass --config FILE, or write {' or '.join(DEFAULT_FILES)}"
        )
    try:
        located = read_located(read_bytes(path), str(path), BridgeDocument)
    except DocumentError as error:
        raise StartRefused(str(error)) from error
    document, source, folder = located.document, located.source, path.parent.absolute()
    try:
        parse_address(document.redis)
    except ConfigurationError as error:
        raise StartRefused(
            str(source.problem(("redis",), f"redis cannot be used: {error}"))
        ) from error
    if which is not None and getattr(document, which) is None:
        raise StartRefused(str(source.problem((), f"{which} is missing: it is what is to run")))
    opamp = document.opamp
    tokens = _lines(folder, opamp.token_file, "token") if opamp and opamp.token_file else ()
    guarded = tokens or (opamp and opamp.tls and opamp.tls.client_ca)
    if opamp is not None and not guarded and not _is_loopback(opamp.listen):
        message = (
            f"listen {opamp.listen} is open to others: it needs token_file, or tls with client_ca"
        )
        raise StartRefused(str(source.problem(("opamp", "listen"), message)))
    secrets = _lines(folder, document.secret_file, "secret") if document.secret_file else ()
    return Settings(document=document, folder=folder, secrets=secrets, tokens=tokens)


def tls_of(folder: Path, entry: TlsEntry | None) -> ssl.SSLContext | None:
    """What a bridge listens with. Raise `StartRefused`."""
    if entry is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # The empty password keeps OpenSSL from asking the terminal for one.
        context.load_cert_chain(folder / entry.certificate, folder / entry.key, password="")
        if entry.client_ca is not None:
            context.load_verify_locations(folder / entry.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or "not usable PEM, encrypted, or not a pair"
        raise StartRefused(f"tls cannot be used ({entry.certificate}, …): {why}") from error
    return context


def trusting(folder: Path, ca_file: str | None) -> ssl.SSLContext:
    """What the server behind is asked with. Raise `StartRefused`."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else folder / ca_file)
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(f"ca_file {ca_file} cannot be used: {error}") from error


def read_bytes(path: Path) -> bytes:
    """As much as anything of ours may have, so that /dev/zero is refused and not read."""
    try:
        with path.open("rb") as file:
            return file.read(2 * MAX_FILE)
    except OSError as error:
        raise StartRefused(f"cannot read {path}: {error.strerror}") from error


def _lines(folder: Path, name: str, what: str) -> tuple[bytes, ...]:
    lines = (line.strip() for line in read_bytes(folder / name).split(b"\n"))
    found = tuple(filter(None, lines))
    if not found:  # which must not mean that none is needed
        raise StartRefused(f"{folder / name} is empty; it holds one {what} a line")
    return found


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
