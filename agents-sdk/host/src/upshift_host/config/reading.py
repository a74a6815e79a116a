"""`agent.yaml` → what is in force. All of it, or `StartRefused` and nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upshift_agent.contract.address import parse_address
from upshift_agent.contract.errors import ConfigurationError
from upshift_rules.documents.located import DocumentError, read_located

from ..errors import StartRefused
from .model import AgentDocument, ParcaEntry, PyroscopeEntry, WithoutRedis

#: Looked for where no `--config` is given.
DEFAULT_FILES = ("agent.yaml", "/etc/upshift/agent.yaml")
#: The environment's `redis`, which goes before the file's: a password need not stand there.
REDIS_URL = "UPSHIFT_REDIS_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the file says, with what it refers to.

    folder: the file's, which paths in it begin at. headers: of requests to the backend; they may
    hold a token.
    """

    document: AgentDocument
    folder: Path
    node: str
    in_kubernetes: bool = False
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def backend(self) -> PyroscopeEntry | ParcaEntry:
        found = self.document.pyroscope or self.document.parca
        assert found is not None  # noqa: S101  # the document is refused without one
        return found


def load(path: Path | None, environ: Mapping[str, str] = os.environ) -> Configuration:
    """Read `path`, or the first default file there is. Raise `StartRefused` with every fault."""
    path = path or next((Path(name) for name in DEFAULT_FILES if Path(name).exists()), None)
    if path is None:
        raise StartRefused(
            f"no configuration: pass --config FILE, or write {' or '.join(DEFAULT_FILES)}"
        )
    redis = environ.get(REDIS_URL, "").strip()
    try:
        located = read_located(_read(path), str(path), WithoutRedis if redis else AgentDocument)
    except DocumentError as error:
        raise StartRefused(str(error)) from error
    document = located.document
    if redis:
        document = document.model_copy(update={"redis": redis})
    try:
        parse_address(document.redis)
    except ConfigurationError as error:
        said = f"{REDIS_URL if redis else 'redis'} cannot be used: {error}"
        raise StartRefused(
            said if redis else str(located.source.problem(("redis",), said))
        ) from error
    return Configuration(
        document=document,
        folder=path.parent.absolute(),
        node=document.node or environ.get("NODE_NAME") or os.uname().nodename,
        in_kubernetes="KUBERNETES_SERVICE_HOST" in environ,
        secrets=_secrets(path.parent, document.secret_file),
        headers=_headers(path.parent, document),
    )


def _headers(folder: Path, document: AgentDocument) -> dict[str, str]:
    backend = document.pyroscope or document.parca
    headers = {}
    if isinstance(backend, PyroscopeEntry) and backend.tenant:
        headers["X-Scope-OrgID"] = backend.tenant
    if backend is not None and backend.token_file:
        lines = _lines(folder / backend.token_file)
        if len(lines) != 1 or not lines[0].isascii() or b" " in lines[0]:
            raise StartRefused(f"{folder / backend.token_file} must hold one token, alone")
        headers["Authorization"] = f"Bearer {lines[0].decode()}"
    return headers


def _secrets(folder: Path, name: str | None) -> tuple[bytes, ...]:
    if name is None:
        return ()
    secrets = _lines(folder / name)
    if not secrets:  # which must not mean that plans need no signature
        raise StartRefused(f"{folder / name} is empty; it holds one secret a line")
    return secrets


def _lines(path: Path) -> tuple[bytes, ...]:
    return tuple(line for raw in _read(path).split(b"\n") if (line := raw.strip()))


def _read(path: Path) -> bytes:
    """As much as anything of ours may have, so that /dev/zero is refused and not read."""
    try:
        with path.open("rb") as file:
            return file.read(2 * 1024 * 1024)
    except OSError as error:
        raise StartRefused(f"cannot read {path}: {error.strerror}") from error
