"""Redis goes away, stands still, forgets, fails over, or holds garbage."""
