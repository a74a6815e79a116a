"""Every error of the controller. "Their fault" is `Refused`; "ours" is `Unavailable`."""

from __future__ import annotations

from collections.abc import Sequence

from upshift_agent.contract.errors import UpshiftError


class Refused(UpshiftError):
    """The request cannot be carried out as it stands; nothing was changed.

    `slug` names the kind of problem for programs, `status` is the HTTP status for it, `errors`
    lists the single faults where there are several.
    """

    def __init__(
        self, detail: str, *, slug: str, status: int = 400, errors: Sequence[str] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.slug = slug
        self.status = status
        self.errors = tuple(errors)


class Unavailable(UpshiftError):
    """We cannot do it now; the same request may succeed in `retry_after_s` seconds."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_s = retry_after_s


class PastUnreadable(UpshiftError):
    """Alerts of the past cannot be read there; the message says why."""


class NoAnswer(UpshiftError):
    """Prometheus does not answer a guard; the message says why."""


class BadQuery(NoAnswer):
    """It does not because of the query."""


class StartRefused(UpshiftError):
    """The controller will not start like this; the message says what to change."""
