"""A bridge as a process of its own, as systemd runs it."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from servers import HttpServer, RedisServer, free_port
from upshift_agent.contract import Keys, Status, decode_status, is_live


@dataclass
class BridgeProcess(HttpServer):
    """port: of its metrics. listens: where peers connect."""

    listens: int = 0

    def start(self, ready: object = None) -> None:
        super().start(self._listening)

    def _listening(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.listens), 1):
            return True

    def metrics(self) -> dict[str, float]:
        lines = str(self.get("/metrics")).splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def said(self) -> str:
        return self.log.read_text()


def bridge(
    which: str, folder: Path, redis: RedisServer | str, section: str, more: str = "", port: int = 0
) -> BridgeProcess:
    """Not started. section: what stands under `opamp:` or `elastic:`, each line indented."""
    folder.mkdir(parents=True, exist_ok=True)
    port, metrics = port or free_port(), free_port()
    url = redis if isinstance(redis, str) else redis.url
    (folder / "bridge.yaml").write_text(
        f"redis: {url}\nmetrics: 127.0.0.1:{metrics}\n{more}"
        f"{which}:\n  listen: 127.0.0.1:{port}\n{section}"
    )
    command = [sys.executable, "-m", "upshift_host", "bridge", which]
    command += ["--config", str(folder / "bridge.yaml")]
    return BridgeProcess(command, metrics, folder / "bridge.log", listens=port)


def statuses(redis: RedisServer, target: str) -> list[Status]:
    """Of agents that live, as far as anybody knows, the newest last."""
    with redis.client() as client:
        seconds, _ = client.time()
        found = [decode_status(it) for it in client.hvals(Keys().agents(target))]
    return sorted((it for it in found if is_live(it, 1000 * seconds)), key=lambda it: it.at_ms)


def applied(redis: RedisServer, target: str) -> list[int]:
    """Hz of cpu that agents say is applied, and is what they want."""
    return [
        it.applied.profiles["cpu"].hz
        for it in statuses(redis, target)
        if it.state == "applied" and it.applied is not None
    ]
