"""`--direct`: the overrides, straight against Redis, for when no controller runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from upshift_agent.contract import Cause, Where
from upshift_agent.contract.errors import UpshiftError

from .client import Json
from .errors import Failed, Unreachable


@dataclass(frozen=True, slots=True)
class Direct:
    """`redis` is Redis' URL, or the file that holds it."""

    redis: str
    namespace: str
    secret_file: Path | None

    def override(self, body: Json) -> Json:
        """Grant what `POST /api/v1/leases` would be sent. Return its outcome."""
        from upshift_rules.durations import parse_duration

        filters: Where = {key: tuple(values) for key, values in body["where"].items()}
        return self._run(
            body["target"],
            lambda overrides: overrides.grant(
                body["target"],
                body["kind"],
                body["hz"],
                parse_duration(body["duration"]),
                profile=body["profile"],
                where=filters,
                cause=_asked_by(body["by"], body["reason"]),
            ),
        )

    def release(self, lease: str, by: str) -> Json:
        return self._run(None, lambda overrides: overrides.release(lease, cause=_asked_by(by)))

    def release_all(self, target: str, by: str) -> Json:
        return self._run(
            target, lambda overrides: overrides.release_all(target, cause=_asked_by(by))
        )

    def _run(self, target: str | None, change: Callable[[Any], Awaitable[Any]]) -> Json:
        import logging

        from .. import log
        from ..errors import Unavailable
        from ..runtime import threads
        from .without_controller import overrides_in

        log.configure(logging.ERROR)

        async def run() -> Any:
            async with overrides_in(
                url_in(self.redis, "--direct"),
                target,
                namespace=self.namespace,
                secret_file=self.secret_file,
            ) as overrides:
                return await change(overrides)

        try:
            outcome = threads.run(run())
        except Unavailable as error:
            raise Unreachable(error.detail) from error
        except UpshiftError as error:
            raise Failed(f"refused: {error}") from error
        if outcome.outcome not in ("granted", "released"):
            raise Failed(f"refused: {outcome.reason}")
        return {name: getattr(outcome, name) for name in type(outcome).__slots__}


def url_in(text: str, option: str) -> str:
    """Redis' URL, given it or the file that holds it."""
    if "://" in text:
        return text
    try:
        return Path(text).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(
            "must be a redis://, rediss:// or unix:// URL, or a file that holds one; "
            f"{text!r} cannot be read",
            param_hint=option,
        ) from error


def _asked_by(name: str, reason: str = "") -> Cause:
    from ..leasing.overrides import asked_by

    return asked_by(name, via="direct", reason=reason)
