"""How the demo fails."""

from __future__ import annotations

from upshift_agent.contract.errors import UpshiftError


class DemoFailed(UpshiftError):
    """The demo cannot go on; the message says why, and what would help."""
