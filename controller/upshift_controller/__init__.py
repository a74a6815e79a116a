"""Upshift's controller: alerts and overrides become leases; Redis carries the plans to the agents.

What belongs here: I/O and its order. Decisions are in `upshift_rules` and in
`upshift_agent.contract.resolve`.
"""

__version__ = "0.1.0"
