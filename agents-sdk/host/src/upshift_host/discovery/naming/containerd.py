"""containerd's own API, over its socket: what nerdctl and Kubernetes have written on containers.

It is asked for its namespaces, and for the containers of each. Docker's, `moby`, is left to Docker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from upshift_agent.attributes import SERVICE
from upshift_agent.contract import K8S_NAMESPACE, POD

from .docker import LABELS as COMPOSE
from .grpc import call, fields
from .kubernetes import LABELS

SOCKETS = (Path("/run/containerd/containerd.sock"), Path("/run/k3s/containerd/containerd.sock"))
#: Namespaces of others who name their containers themselves.
OTHERS = frozenset({"moby", "buildkit"})
NAME = "nerdctl/name"
KUBERNETES_NAME = "io.kubernetes.container.name"
#: What Kubernetes writes on the containers of a pod; the pod's own labels are on its sandbox.
POD_LABELS = {
    "io.kubernetes.pod.name": POD,
    "io.kubernetes.pod.uid": "k8s.pod.uid",
    "io.kubernetes.pod.namespace": K8S_NAMESPACE,
}
POD_UID = "io.kubernetes.pod.uid"
KIND, SANDBOX = "io.cri-containerd.kind", "sandbox"


@dataclass(frozen=True, slots=True)
class Container:
    id: str
    image: str
    labels: Mapping[str, str]


def socket_path() -> Path | None:
    """Where containerd listens, None where it does not."""
    return next((path for path in SOCKETS if path.exists()), None)


def ask(path: Path) -> dict[str, dict[str, str]]:
    """Attributes by container. Raise `OSError` where nobody answers, `ValueError` for nonsense."""
    answer = call(path, "/containerd.services.namespaces.v1.Namespaces/List", b"", {})
    found: dict[str, dict[str, str]] = {}
    for namespace in _texts(_parts(answer, 1), 1):
        if namespace in OTHERS or not 0 < len(namespace.encode()) < 127:
            continue
        listed = call(
            path,
            "/containerd.services.containers.v1.Containers/List",
            b"",
            {"containerd-namespace": namespace},
        )
        found |= names([container(part) for part in _parts(listed, 1)])
    return found


def container(message: bytes) -> Container:
    """One as containerd writes it. Raise `ValueError`. Pure."""
    labels = {}
    for entry in _parts(message, 2):
        pair = dict(fields(entry))
        labels[_text(pair.get(1, b""))] = _text(pair.get(2, b""))
    own = dict(fields(message))
    return Container(_text(own.get(1, b"")), _text(own.get(3, b"")), labels)


def names(containers: Iterable[Container]) -> dict[str, dict[str, str]]:
    """Of what has been written on containers. Pure."""
    listed = list(containers)
    pods = {
        it.labels[POD_UID]: it.labels
        for it in listed
        if it.labels.get(KIND) == SANDBOX and POD_UID in it.labels
    }
    found: dict[str, dict[str, str]] = {}
    for one in listed:
        called = one.labels.get(NAME, "")
        services = [one.labels[label] for label in COMPOSE if one.labels.get(label)]
        said = {
            "container.image.name": one.image,
            "container.name": called,
            "k8s.container.name": one.labels.get(KUBERNETES_NAME, ""),
            SERVICE: next(iter([*services, called]), ""),
        }
        said |= {attribute: one.labels.get(label, "") for label, attribute in POD_LABELS.items()}
        pod = pods.get(one.labels.get(POD_UID, ""), {})
        said |= {attribute: it for label, attribute in LABELS.items() if (it := pod.get(label))}
        if one.id:
            found[one.id] = {name: value for name, value in said.items() if value}
    return found


def _parts(message: bytes, number: int) -> list[bytes]:
    return [content for found, content in fields(message) if found == number]


def _texts(messages: Iterable[bytes], number: int) -> list[str]:
    return [_text(part) for message in messages for part in _parts(message, number)]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
