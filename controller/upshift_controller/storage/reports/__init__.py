"""What agents report: read, counted, and forgotten in time.

Nothing of leases: whoever only looks has connections of its own.
"""
