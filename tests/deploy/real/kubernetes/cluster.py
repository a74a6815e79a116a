"""A cluster as its API has it: whoever asks a kube-apiserver, without kubectl."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.real.kubernetes.chart import Manifest

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
    """As little of a definition as there may be: it takes anything. The operator's own are not
    here, so that what is inside of its objects is validated by nobody."""
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
