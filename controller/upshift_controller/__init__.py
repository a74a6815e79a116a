"""Upshift's controller: alerts and overrides become leases; Redis carries the plans to the agents.

What belongs here: I/O and its order. Decisions are in `upshift_rules` and `upshift_agent.resolve`.
"""

__version__ = "0.1.0"
