"""What `/metrics` tells. Names follow Prometheus: base units, `_total` for counters."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from . import log
from .leasing.committer import Committed


class _LostLines(Collector):
    """The log counts them by itself, from before there are metrics."""

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "upshift_log_lines_lost", "Lines that could not be written", value=log.lost()
        )


class Metrics:
    """One registry an application, so that tests can have many."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.webhooks = Counter(
            "upshift_webhooks", "Webhook deliveries, by HTTP status", ["code"], registry=registry
        )
        self.alerts = Counter(
            "upshift_alerts", "Alerts received, by what became of them", ["outcome"],
            registry=registry,
        )  # fmt: skip  # the pattern of all of these: name and help on one line
        self.truncated = Counter(
            "upshift_truncated_alerts", "Alerts that Alertmanager left out", registry=registry
        )
        self.rejected = Counter(
            "upshift_rejected_requests", "Requests refused, by reason", ["reason"],
            registry=registry,
        )  # fmt: skip  # as above
        self.changes = Counter(
            "upshift_changes", "Entries of history, by event", ["event"], registry=registry
        )
        self.refused = Counter(
            "upshift_refused", "Leases refused, by limit; each as often as the history tells of it",
            ["limit"], registry=registry,
        )  # fmt: skip  # as above
        self.unreadable = Counter(
            "upshift_unreadable", "Things in Redis that could not be read, by what they should be",
            ["what"], registry=registry,
        )  # fmt: skip  # as above
        self.commit_seconds = Histogram(
            "upshift_commit_seconds", "Read, transition and commit of a batch",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=registry,
        )  # fmt: skip  # as above
        self.conflicts = Counter(
            "upshift_commit_conflicts", "Commits that met another controller's", registry=registry
        )
        self.revert_lateness_seconds = Histogram(
            "upshift_revert_lateness_seconds", "From a lease's expiry to its record in the history",
            buckets=(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 300), registry=registry,
        )  # fmt: skip  # as above
        self.reload_success = Gauge(
            "upshift_config_last_reload_successful", "1 unless the last reload was refused",
            registry=registry,
        )  # fmt: skip  # as above
        self.reload_time = Gauge(
            "upshift_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read", registry=registry,
        )  # fmt: skip  # as above
        self.ready = Gauge("upshift_ready", "1 while a commit goes through", registry=registry)
        self.restarts = Counter(
            "upshift_task_restarts", "Background tasks that ended and were started again",
            ["task"], registry=registry,
        )  # fmt: skip  # as above
        registry.register(_LostLines())

    def reject(self, reason: str) -> None:
        self.rejected.labels(reason).inc()

    def committed(self, done: Committed) -> None:
        for entry in done.entries:
            self.changes.labels(entry.event).inc()
            if entry.limit is not None:
                self.refused.labels(entry.limit).inc()
            if entry.event == "expired" and entry.lease is not None:
                lateness_ms = done.now_ms - entry.lease.expires_at_ms
                self.revert_lateness_seconds.observe(lateness_ms / 1000)
