"""Certificates for servers and clients, of one authority and of another, beside a token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

TOKEN = "token-of-the-operator-0123456789"


@dataclass
class Files:
    """Certificates in a folder: of the server, of a client, and of a client of another CA."""

    folder: Path

    def __post_init__(self) -> None:
        self.authority = trustme.CA()
        self.issue("server", "127.0.0.1", "localhost")
        self.issue("client", "alertmanager.example", common_name="alertmanager")
        trustme.CA().issue_cert("stranger").private_key_and_cert_chain_pem.write_to_path(
            self.folder / "stranger.pem"
        )
        self.authority.cert_pem.write_to_path(self.folder / "ca.pem")
        (self.folder / "token").write_text(TOKEN)

    def issue(self, name: str, *identities: str, common_name: str | None = None) -> None:
        certificate = self.authority.issue_cert(*identities, common_name=common_name)
        certificate.private_key_pem.write_to_path(self.folder / f"{name}.key")
        (self.folder / f"{name}.crt").write_bytes(
            b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        )

    def path(self, name: str) -> str:
        return str(self.folder / name)
