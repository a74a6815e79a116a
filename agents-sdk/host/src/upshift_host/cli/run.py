"""`upshift-agent run`: everything is made here, and ended."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from ..config import Configuration, PyroscopeEntry, load
from ..drivers.tally import TALLY
from ..errors import StartRefused
from ..profiles.export import Shipper
from ..running.host import HostAgent
from ..running.metrics import Metrics, text
from ..said import log, to_stderr

#: What is sent before the end, of windows that were cut off.
SEND_S = 3.0


def serve(config: Path | None) -> None:
    """Run until SIGTERM or SIGINT. Raise `StartRefused`."""
    from ..drivers.kinds import KINDS

    configuration = load(config)
    to_stderr()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    exporter = exporter_of(configuration)
    agent = HostAgent(configuration, KINDS, exporter)
    address = configuration.document.metrics
    metrics = shown(address, agent, exporter) if address else None
    log.info("node %s: looking for workloads", configuration.node)
    try:
        agent.run(stop)
    finally:
        exporter.close(SEND_S)
        if metrics is not None:
            metrics.close()


def shown(address: str, agent: HostAgent, exporter: Shipper) -> Metrics:
    """Serve the metrics of this process. Raise `StartRefused` where nobody can listen there."""
    try:
        return Metrics(address, lambda: text(agent.serves, TALLY.counts(), exporter.counts()))
    except OSError as error:
        reason = error.strerror or error
        raise StartRefused(f"metrics cannot be served on {address}: {reason}") from error


def exporter_of(configuration: Configuration) -> Shipper:
    """What sends windows to the backend that is configured."""
    backend = configuration.backend
    if isinstance(backend, PyroscopeEntry):
        from ..profiles.pyroscope import Pyroscope

        return Pyroscope(backend.url, headers=configuration.headers)
    from ..profiles.parca import Parca

    return Parca(backend.url, headers=configuration.headers)
