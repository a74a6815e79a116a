"""Kubernetes: the chart, and what a cluster makes of it."""

from deploy.table import Row
from parts import program

GUIDE = "deploy/helm/upshift/README.md"
_RENDERED = "deploy/real/kubernetes/test_rendered.py"

ROWS = [
    Row(
        part="the Helm chart",
        version=lambda: "helm " + program("helm").name.rpartition("-v")[2],
        how="real",
        tests=(
            _RENDERED,
            "deploy/real/kubernetes/test_refused.py",
            "deploy/real/kubernetes/test_trial.py",
            "deploy/kubernetes/test_values.py",
            "deploy/real/kubernetes/test_helm.py",
        ),
        note="controller, Valkey and host agent read what it renders; not in containers",
        guides=(GUIDE,),
    ),
    Row(
        part="Kubernetes' API server",
        version=lambda: program("kube-apiserver").name.rpartition("-v")[2],
        how="real",
        tests=(
            "deploy/real/kubernetes/test_accepted.py",
            "deploy/real/kubernetes/test_rights.py",
        ),
        note="without controllers: Pod Security is given pods made of the templates",
        guides=(GUIDE,),
    ),
    Row(
        part="the host agent's capabilities",
        version="Linux, this machine's",
        how="real",
        tests=("deploy/real/kubernetes/test_confined.py",),
        note="on a read-only root; without seccomp and AppArmor",
        guides=(GUIDE,),
    ),
    Row(
        part="Kubernetes 1.30 and 1.34",
        version="their schemas",
        how="validated only",
        tests=(f"{_RENDERED}::test_every_manifest_is_what_kubernetes_takes",),
        guides=(GUIDE,),
    ),
    Row(
        part="Prometheus' operator",
        version="v1, v1alpha1",
        how="untested",
        note="its schemas are not here; the API server had definitions that take anything",
        guides=(GUIDE,),
    ),
    Row(
        part="all that a kubelet does",
        version="–",
        how="untested",
        note="not to be had: mounts, probes, preStop, seccomp, AppArmor, network policies, images",
        guides=(GUIDE,),
    ),
]
