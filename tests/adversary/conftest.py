"""Attacks from outside, on a controller in this process over a real Valkey."""

from controller.conftest import cli, offline, served, start, upshift

__all__ = ["cli", "offline", "served", "start", "upshift"]
