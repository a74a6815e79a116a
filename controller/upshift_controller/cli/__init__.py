"""The `upshift` command. Thin: it asks the controller, and shows what it says."""

from .main import main

__all__ = ["main"]
