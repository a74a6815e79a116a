"""Real agents with versions, and what controllers are to know of them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from redis import Redis

from controller.conftest import Running
from servers import eventually
from upshift_agent import Agent
from upshift_agent.contract import Keys
from upshift_agent.testing import RecordingDriver
from upshift_controller.sources.rollouts.knowledge import Knowledge, Known, Service, encode

KEYS = Keys()
HOME = "service/checkout"
SCOPE = (("deployment.environment.name", "production"), ("service.name", "checkout"))
RULES = """
sampling:
  default: 19
  on_rollout:
    - {frequency: 97, duration: 10m, match: ['environment="production"']}
"""


class Agents:
    """Agents of `checkout` in production, each of its version."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url, self._stack = url, stack

    async def start(self, version: str, **more: str) -> tuple[Agent, RecordingDriver]:
        driver = RecordingDriver()
        named = {"deployment.environment.name": "production", "service.version": version}
        attributes = {**named, **more}
        agent = Agent(redis_url=self._url, service="checkout", driver=driver, attributes=attributes)
        self._stack.enter_context(agent)
        await asyncio.to_thread(eventually, lambda: agent.connected)
        return agent, driver


def remember(client: Redis, *living: str) -> None:
    """As if controllers had looked for an hour, and these versions had lived throughout."""
    now_ms = client.time()[0] * 1000
    before_ms = now_ms - 3_600_000
    known = {it: Known(True, before_ms, before_ms, "learnt") for it in living}
    service = Service(living[0], known)
    client.set(KEYS.rollouts, encode(Knowledge(before_ms, now_ms, before_ms, {SCOPE: service})))


async def until_known(running: Running, version: str) -> None:
    """Until a controller has seen that version."""

    def seen() -> bool:
        stored = running.redis.get(KEYS.rollouts) or ""
        return f'"{version}":[true,' in stored

    await asyncio.to_thread(eventually, seen, within_s=30)  # its next report may be the one
