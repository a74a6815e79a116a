"""What Upshift decides, without doing any of it.

Rule documents, the matching of alerts, and the transitions of a target's state, as pure functions
that are handed `now_ms`. No I/O, no clock, no randomness: import-linter holds this package to it.
"""

__version__ = "0.1.0"
