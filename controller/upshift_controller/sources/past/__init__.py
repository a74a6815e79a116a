"""Alerts of the past, for replays: recorded webhooks, and what Prometheus remembers."""
