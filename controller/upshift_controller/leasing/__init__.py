"""From what is asked for to what is committed, and its end.

Knows storage by its `ports` only; no Redis, no HTTP, and no rule that `upshift_rules` could hold.
"""
