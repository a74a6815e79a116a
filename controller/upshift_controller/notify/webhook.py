"""A webhook: each notice is one POST."""

from __future__ import annotations

import aiohttp

from ..sections.notify import Destination
from .asking import Answer, ask
from .notices import Notice
from .words import as_json, as_slack


class Webhook:
    def __init__(self, destination: Destination) -> None:
        self._to = destination
        self._shape = as_slack if destination.shape == "slack" else as_json

    async def send(
        self,
        client: aiohttp.ClientSession,
        notice: Notice,
        *,
        again: bool,  # noqa: ARG002  # receivers tell by its `id`
    ) -> Answer:
        body = self._shape(notice, self._to.link)
        return (await ask(client, "POST", self._to.url, token=self._to.token, body=body)).answer
