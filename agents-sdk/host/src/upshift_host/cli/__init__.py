"""The `upshift-agent` command."""

from .main import main

__all__ = ["main"]
