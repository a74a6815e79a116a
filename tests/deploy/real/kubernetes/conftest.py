"""One cluster for all of these tests; each has namespaces of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.real.kubernetes.cluster import Cluster, crd
from deploy.real.kubernetes.serving import serving
from servers import eventually

OPERATOR = "monitoring.coreos.com"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with serving(tmp_path_factory.mktemp("cluster")) as found:
        for version, kind in (
            ("v1", "ServiceMonitor"),
            ("v1", "PrometheusRule"),
            ("v1alpha1", "AlertmanagerConfig"),
        ):
            made = found.apply(crd(OPERATOR, version, kind))
            assert made.code == 201, made

        def served() -> bool:
            found.forget_kinds()
            return {f"{OPERATOR}/v1", f"{OPERATOR}/v1alpha1"} <= {it for it, _ in found.kinds()}

        eventually(served, within_s=60, every_s=0.2)
        yield found
