"""Sections of `upshift.yaml`, a module each: what may stand there, and what it means."""
