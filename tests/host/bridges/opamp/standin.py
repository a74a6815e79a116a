"""A stand-in for a supervisor and its collector, which speaks OpAMP with its official messages."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
from opentelemetry._opamp.proto import opamp_pb2 as pb

Mood = Literal["effective", "applied", "silent", "fails"]
CAPABILITIES = 0x1 | 0x2 | 0x4 | 0x800 | 0x1000
APPLIED, APPLYING, FAILED = 1, 2, 3


def description(attributes: Mapping[str, str], other: Mapping[str, str]) -> pb.AgentDescription:
    found = pb.AgentDescription()
    for entries, given in (
        (found.identifying_attributes, attributes),
        (found.non_identifying_attributes, other),
    ):
        for key, value in given.items():
            entry = entries.add(key=key)
            entry.value.string_value = value
    return found


@dataclass
class StandIn:
    """mood: what it does of a remote configuration: `effective` reports it in force and healthy and
    stays APPLYING, as a supervisor does for 5 s; `applied` only says APPLIED; `fails` says FAILED
    above `most`."""

    url: str
    service: str = "checkout"
    mood: Mood = "effective"
    most: int = 1_000
    uid: bytes = field(default_factory=lambda: os.urandom(16))
    attributes: Mapping[str, str] = field(default_factory=dict)
    capabilities: int = CAPABILITIES
    headers: Mapping[str, str] = field(default_factory=dict)
    ssl: Any = None
    configs: list[pb.AgentRemoteConfig] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    status: pb.RemoteConfigStatus | None = None  # which it keeps, as a supervisor does
    effective: int | None = None
    closed: int | None = None

    async def connect(self) -> None:
        self._session = aiohttp.ClientSession()
        try:
            self._socket = await self._session.ws_connect(
                self.url, headers=self.headers, ssl=self.ssl or True
            )
        except BaseException:
            await self._session.close()
            raise
        await self.send(self.everything())
        self._listener = asyncio.create_task(self._listen())

    def everything(self) -> pb.AgentToServer:
        message = pb.AgentToServer(instance_uid=self.uid, capabilities=self.capabilities)
        message.agent_description.CopyFrom(
            description({"service.name": self.service}, self.attributes)
        )
        if self.status is not None:
            message.remote_config_status.CopyFrom(self.status)
        return message

    async def send(self, message: pb.AgentToServer) -> None:
        await self._socket.send_bytes(b"\0" + message.SerializeToString())

    async def raw(self, content: bytes) -> None:
        await self._socket.send_bytes(content)

    async def leave(self) -> None:
        """In good order."""
        await self.send(pb.AgentToServer(instance_uid=self.uid, agent_disconnect={}))
        await self.close()

    async def close(self) -> None:
        self._listener.cancel()
        with suppress(asyncio.CancelledError):
            await self._listener
        await self._socket.close()
        await self._session.close()

    async def say(self, state: int, error: str = "") -> None:
        self.status = pb.RemoteConfigStatus(
            last_remote_config_hash=self.configs[-1].config_hash, status=state, error_message=error
        )
        message = pb.AgentToServer(instance_uid=self.uid)
        message.remote_config_status.CopyFrom(self.status)
        await self.send(message)

    @property
    def numbers(self) -> list[int]:
        """What it has been told, in order."""
        return [number(it) for it in self.configs]

    async def _listen(self) -> None:
        async for message in self._socket:
            to_agent = pb.ServerToAgent.FromString(message.data[1:])
            if to_agent.error_response.error_message:
                self.errors.append(to_agent.error_response.error_message)
            if to_agent.flags & 1:
                await self.send(self.everything())
            if to_agent.HasField("remote_config"):
                self.configs.append(to_agent.remote_config)
                await self._obey(number(to_agent.remote_config))
        self.closed = self._socket.close_code

    async def _obey(self, told: int) -> None:
        if self.mood == "silent":
            return
        if self.mood == "fails" and told > self.most:
            await self.say(FAILED, f"cannot sample {told} times a second")
            return
        await self.say(APPLIED if self.mood == "applied" else APPLYING)
        if self.mood == "applied":
            return
        self.effective = told
        message = pb.AgentToServer(instance_uid=self.uid, health={"healthy": False})
        await self.send(message)
        file = message.effective_config.config_map.config_map[""]
        file.body = (
            f"receivers:\n    profiling:\n        samples_per_second: {told}\nservice: {{}}\n"
        ).encode()
        message.health.healthy = True
        await self.send(message)


def number(config: pb.AgentRemoteConfig) -> int:
    body = config.config.config_map[""].body.decode()
    (line,) = (it for it in body.splitlines() if "samples_per_second" in it)
    return int(line.split(":")[1])
