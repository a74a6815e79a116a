"""Whom the guards of rules ask: questions off the event loop, and how answers are read."""
