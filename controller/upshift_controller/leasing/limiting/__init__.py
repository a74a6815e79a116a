"""What the limiter knows without asking Redis: who lives, and how much of the budget is free.

No decisions here: what is refused, and why, is said by `upshift_rules.leases.limits`.
"""
