"""Elastic's agents, as far as they ask for their settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp

PYTHON = {"service": {"name": "billing", "environment": "production"}}
SECRET = "s3cret-and-nobody-elses"


@dataclass
class Agent:
    """Asks as Elastic's do, and keeps what it is told."""

    session: aiohttp.ClientSession
    url: str
    body: Any
    product: str = "java"
    token: str = SECRET
    etag: str = ""
    settings: Any = None
    max_age: str = ""

    async def ask(self) -> int:
        headers = {"User-Agent": f"apm-agent-{self.product}/1"}
        headers["Authorization"] = f"Bearer {self.token}"
        if self.etag:
            headers["If-None-Match"] = self.etag
        async with self.session.post(
            f"{self.url}/config/v1/agents", json=self.body, headers=headers
        ) as answer:
            if answer.status == 200:
                self.settings, self.etag = await answer.json(), answer.headers["ETag"]
            self.max_age = answer.headers.get("Cache-Control", "")
            return answer.status


async def until_told(agent: Agent, **settings: Any) -> None:
    async def told() -> bool:
        await agent.ask()
        return bool(agent.settings == settings)

    async with asyncio.timeout(10):
        while not await told():  # noqa: ASYNC110  # it asks, as agents do
            await asyncio.sleep(0.05)
