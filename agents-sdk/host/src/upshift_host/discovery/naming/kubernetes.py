"""The pods of this node, by the Kubernetes API, as our own pod's service account may list them.

It takes `list` on `pods`, and nothing else.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from upshift_agent.attributes import SERVICE
from upshift_agent.contract import K8S_NAMESPACE, POD

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_S = 10.0
MAX_ANSWER = 64 * 1024 * 1024  # bytes
#: Kubernetes' recommended labels, and the attributes that they are.
LABELS = {
    "app.kubernetes.io/name": SERVICE,
    "app.kubernetes.io/version": "service.version",
    "app.kubernetes.io/part-of": "service.namespace",
}


def url_of(environ: Mapping[str, str]) -> str | None:
    """Where the API is, for a process in a pod; None outside of one. Pure."""
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT")
    if not host:
        return None
    return f"https://{f'[{host}]' if ':' in host else host}:{port or 443}"


def ask(url: str, node: str, account: Path = ACCOUNT) -> dict[str, dict[str, str]]:
    """Attributes by container. Raise `OSError` where nobody answers, `ValueError` for nonsense."""
    token = (account / "token").read_text().strip()  # each time anew: it is changed every hour
    trust = ssl.create_default_context(cafile=str(account / "ca.crt"))
    request = urllib.request.Request(  # noqa: S310  # https, by `url_of`
        f"{url}/api/v1/pods?fieldSelector=spec.nodeName%3D{quote(node, safe='')}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=trust) as answer:  # noqa: S310  # https
        return names(json.loads(answer.read(MAX_ANSWER)))


def names(pods: Any) -> dict[str, dict[str, str]]:
    """Of a list of pods. Pure; what is not as Kubernetes has it is left out."""
    found: dict[str, dict[str, str]] = {}
    for pod in _list(pods, "items"):
        meta, status = _mapping(pod, "metadata"), _mapping(pod, "status")
        said = {
            POD: meta.get("name"),
            "k8s.pod.uid": meta.get("uid"),
            K8S_NAMESPACE: meta.get("namespace"),
        }
        labels = _mapping(meta, "labels")
        said |= {attribute: labels.get(label) for label, attribute in LABELS.items()}
        for container in _containers(status):
            identity = str(container.get("containerID", "")).rpartition("://")[2]
            if identity:
                all_of = said | {"k8s.container.name": container.get("name")}
                found[identity] = {
                    name: it for name, it in all_of.items() if isinstance(it, str) and it
                }
    return found


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        yield from _list(status, kind)


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _list(value: Any, name: str) -> list[Mapping[str, Any]]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return [it for it in inner if isinstance(it, Mapping)] if isinstance(inner, list) else []
