"""The chart, rendered by the real helm."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from parts import program

ROOT = Path(__file__).parents[4]
CHART = ROOT / "deploy/helm/upshift"
PLAIN = ROOT / "deploy/kubernetes"
KUBERNETES = "1.37.2"

Values = Mapping[str, Any]
Manifest = dict[str, Any]

#: As few values as there may be.
LEAST: Values = {
    "redis": {"url": "redis://redis.internal:6379"},
    "tokens": {"existingSecret": "tokens"},
    "hostAgent": {"config": {"pyroscope": {"url": "http://pyroscope:4040"}}},
}
#: Everything that the chart can make, to try it out.
TRIAL: Values = {
    "valkey": {"enabled": True},
    "tokens": {"create": True},
    "signing": {"create": True},
    "hostAgent": {
        "config": {"parca": {"url": "http://parca:7070"}},
        "metrics": {"enabled": True},
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "services": True},
    "alertmanagerConfig": {"enabled": True},
}
#: What else a user may say.
OWN: Values = {
    "fullnameOverride": "profiling",
    "imagePullSecrets": ["registry"],
    "redis": {"existingSecret": "redis", "namespace": "shop"},
    "tokens": {
        "existingSecret": "tokens",
        "list": [
            {"name": 'Ann "the second" O\'Neil: #1', "role": "operator", "key": "ann"},
            {"name": "grafana", "role": "viewer", "key": "grafana.token"},
        ],
    },
    "signing": {"existingSecret": "signing"},
    "controller": {
        "image": {"repository": "registry.internal:5000/upshift", "tag": "sha256:" + "a1" * 32},
        "replicas": 3,
        "config": {
            "alertmanager": {
                "urls": ["http://am-0:9093", "http://am-1:9093"],
                "token_file": "/etc/upshift-secrets/alertmanager/token",
            },
            "limits": {"max_boosted_agents": 500},
            "tls": {
                "certificate": "/etc/upshift-secrets/with.dots/tls.crt",
                "key": "/etc/upshift-secrets/with.dots/tls.key",
            },
            "sampling": {
                "on_alert": [{"trigger": 'a "b"', "frequency": 97, "duration": "10m"}],
            },
        },
        "secrets": ["alertmanager", "with.dots"],
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podAnnotations": {"note": "a: \"b\" {{ .c }} # d\n'e'"},
        "service": {"type": "LoadBalancer", "annotations": {"internal": "true"}},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "nodeSelector": {"pool": "system"},
        "priorityClassName": "system-cluster-critical",
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {}}
                ]
            }
        },
    },
    "hostAgent": {
        "config": {
            "pyroscope": {"url": "http://pyroscope:4040", "tenant": "shop"},
            "discovery": {"kubernetes": False},
        },
        "drivers": ["files", "jfr"],
        "capabilities": ["SYS_ADMIN"],
        "hostNetwork": True,
        "sysMounts": True,
        "seccompProfile": {"type": "Unconfined"},
        "volumes": [{"name": "alloy", "hostPath": {"path": "/etc/alloy"}}],
        "volumeMounts": [{"name": "alloy", "mountPath": "/etc/alloy"}],
        "secrets": ["pyroscope"],
        "maxUnavailable": 1,
    },
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}],
        "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
    },
    "podDisruptionBudget": {"maxUnavailable": "50%"},
}
WITHOUT_HOST: Values = {
    "redis": {"url": "rediss+sentinel://a:26379,b:26379/main"},
    "tokens": {"create": True},
    "hostAgent": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
}
WITHOUT_CONTROLLER: Values = {
    "redis": {"existingSecret": "redis"},
    "controller": {"enabled": False},
    "hostAgent": {"config": {"parca": {"url": "http://parca:7070"}}, "metrics": {"enabled": True}},
    "serviceMonitor": {"enabled": True},
}
MATRIX: Mapping[str, Values] = {
    "least": LEAST,
    "trial": TRIAL,
    "own": OWN,
    "without the host agent": WITHOUT_HOST,
    "without the controller": WITHOUT_CONTROLLER,
}


def helm(*arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("helm"), *arguments, *([] if values is None else ["--values", "-"])],
        input=None if values is None else yaml.safe_dump(dict(values)),
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GOMAXPROCS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def template(values: Values, *, name: str = "upshift") -> subprocess.CompletedProcess[str]:
    where = ["--namespace", "upshift", "--kube-version", KUBERNETES]
    return helm("template", name, str(CHART), *where, values=values)


def render(values: Values, *, name: str = "upshift") -> list[Manifest]:
    done = template(values, name=name)
    assert done.returncode == 0, done.stderr
    return [it for it in yaml.safe_load_all(done.stdout) if it]


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = [it for it in manifests if (it["kind"], it["metadata"]["name"]) == (kind, name)]
    return found


def with_(values: Values, path: str, value: Any) -> Values:
    """`values` with one of them set; path: with dots."""
    first, _, rest = path.partition(".")
    return {**values, first: with_(values.get(first, {}), rest, value) if rest else value}


def container(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = one(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found
