"""Turns what is asked for into leases that are committed, and ends them on time.

Knows storage by its `ports` only; no Redis, no HTTP, and no rule that `upshift_rules` could hold.
"""
