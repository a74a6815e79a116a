"""What `/metrics` tells. Names follow Prometheus: base units, `_total` for counters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import get_args

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from upshift_agent.contract import ALL, PROFILES, Kind

from . import log
from .errors import Unavailable
from .leasing.committer import Committed
from .leasing.triggers import Account
from .views.fleet import Fleet

#: Figures of the whole fleet are read from Redis at most so often, however many scrape.
FLEET_EVERY_S = 5.0


class _LostLines(Collector):
    """The log counts them by itself, from before there are metrics."""

    def collect(self) -> Iterable[Metric]:
        yield CounterMetricFamily(
            "upshift_log_lines_lost", "Lines that could not be written", value=log.lost()
        )


class FleetGauges(Collector):
    """The fleet as it was found at the last scrape. Without Redis there are no such figures."""

    def __init__(self) -> None:
        self._fleet: Fleet | None = None
        self._reserved: tuple[int, int] | None = None
        self._until = 0.0

    async def refresh(
        self,
        look: Callable[[], Awaitable[Fleet]],
        reserved: Callable[[int], Awaitable[tuple[int, int] | None]],
    ) -> None:
        """reserved: at a time in Redis ms, the agents that boosts have reserved, and the limit."""
        if time.monotonic() < self._until:
            return
        self._until = time.monotonic() + FLEET_EVERY_S  # nobody else looks meanwhile
        try:
            fleet = await look()
            self._fleet, self._reserved = fleet, await reserved(fleet.now_ms)
        except Unavailable:
            self._fleet = self._reserved = None

    def collect(self) -> Iterable[Metric]:
        if self._fleet is not None:
            yield from figures(self._fleet)
        if self._reserved is not None:
            used, most = self._reserved
            yield GaugeMetricFamily(
                "upshift_boosted_agents_reserved",
                "Agents that granted leases have reserved of limits.max_boosted_agents",
                used,
            )
            yield GaugeMetricFamily(
                "upshift_boosted_agents_limit", "limits.max_boosted_agents", most
            )


def figures(fleet: Fleet) -> Iterable[Metric]:
    def by(name: str, help_: str, label: str, rows: Iterable[tuple[str, float]]) -> Metric:
        family = GaugeMetricFamily(name, help_, labels=[label])
        for value, figure in rows:
            family.add_metric([value], figure)
        return family

    states = {"applied": 0, "applying": 0, "failed": 0, "lost": 0} | dict(fleet.agents)
    leases = {(kind, one): 0 for kind in get_args(Kind) for one in PROFILES} | {("cap", ALL): 0}
    services = fleet.services.items()
    yield by("upshift_agents", "Agents, by what they report", "state", states.items())
    family = GaugeMetricFamily(
        "upshift_leases", "Live leases, by kind and profile", labels=["kind", "profile"]
    )
    for labels, count in (leases | dict(fleet.leases)).items():
        family.add_metric(labels, count)
    yield family
    yield GaugeMetricFamily(
        "upshift_converged_agents", "Live agents that have applied what is granted", fleet.converged
    )
    yield GaugeMetricFamily(
        "upshift_boosted_agents", "Live agents above their baseline", fleet.boosted
    )
    yield GaugeMetricFamily(
        "upshift_kill_switches", "Caps at 0 of every profile on the whole fleet", fleet.stopped
    )
    yield by(
        "upshift_requested_hertz",
        "Sampling frequency asked of live agents, summed; heap's in an hour",
        "profile", ((profile, hz.requested) for profile, hz in fleet.hz.items()),
    )  # fmt: skip  # as above
    yield by(
        "upshift_applied_hertz",
        "Sampling frequency that live agents' drivers confirmed, summed; heap's in an hour",
        "profile", ((profile, hz.applied) for profile, hz in fleet.hz.items()),
    )  # fmt: skip  # as above
    yield by(
        "upshift_service_requested_hertz", "The same of cpu, for the services that ask for most",
        "service", ((name, hz.requested) for name, hz in services),
    )  # fmt: skip  # as above
    yield by(
        "upshift_service_applied_hertz", "The same of cpu, for the services that ask for most",
        "service", ((name, hz.applied) for name, hz in services),
    )  # fmt: skip  # as above


class Metrics:
    """One registry an application, so that tests can have many."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody draws
        registry = self.registry = CollectorRegistry()
        self.fleet = FleetGauges()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, self.fleet):
            registry.register(collector)
        self.webhooks = Counter(
            "upshift_webhooks", "Webhook deliveries, by HTTP status", ["code"], registry=registry
        )
        self.alerts = Counter(
            "upshift_alerts", "Alerts received, by what became of them", ["outcome"],
            registry=registry,
        )  # fmt: skip  # the pattern of all of these: name and help on one line
        self.rollouts = Counter(
            "upshift_rollouts", "Rollouts told, by what became of them", ["outcome"],
            registry=registry,
        )  # fmt: skip  # as above
        self.truncated = Counter(
            "upshift_truncated_alerts", "Alerts that Alertmanager left out", registry=registry
        )
        self.lists = Counter(
            "upshift_alertmanager_reads", "Attempts to read what an Alertmanager lists",
            ["alertmanager", "outcome"], registry=registry,
        )  # fmt: skip  # as above
        self.recorded = Counter(
            "upshift_recorded_webhooks", "Webhooks kept for replays, and those lost", ["outcome"],
            registry=registry,
        )  # fmt: skip  # as above
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
        self.scheduled = Counter(
            "upshift_scheduled", "Leases that schedules asked for, by what became of them",
            ["outcome"], registry=registry,
        )  # fmt: skip  # as above
        self.notices = Counter(
            "upshift_notices", "Notices to others, by what became of them",
            ["destination", "outcome"], registry=registry,
        )  # fmt: skip  # as above
        self.reports = Counter(
            "upshift_reports", "Reports of boosts that have ended, by what became of them",
            ["outcome"], registry=registry,
        )  # fmt: skip  # as above
        self.guard_answers = Counter(
            "upshift_guard_answers", "What Prometheus said to guards: true, false or unknown",
            ["answer"], registry=registry,
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

    def read_list(self, url: str, good: bool) -> None:
        self.lists.labels(url, "read" if good else "failed").inc()

    def listed(self, accounts: Iterable[Account]) -> None:
        """Count what alerts of a list did; that most had been told of goes without saying."""
        for account in accounts:
            for outcome in account.outcomes:
                if outcome.outcome in ("recovered", "granted", "renewed", "reverted"):
                    self.alerts.labels(outcome.outcome).inc()

    def reject(self, reason: str) -> None:
        self.rejected.labels(reason).inc()

    def notice(self, destination: str, outcome: str) -> None:
        self.notices.labels(destination, outcome).inc()

    def answered(self, true: bool | None) -> None:
        self.guard_answers.labels("unknown" if true is None else str(true).lower()).inc()

    def committed(self, done: Committed) -> None:
        for entry in done.entries:
            self.changes.labels(entry.event).inc()
            if entry.limit is not None:
                self.refused.labels(entry.limit).inc()
            if entry.event == "expired" and entry.lease is not None:
                lateness_ms = done.now_ms - entry.lease.expires_at_ms
                self.revert_lateness_seconds.observe(lateness_ms / 1000)
