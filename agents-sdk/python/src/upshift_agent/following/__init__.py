"""Follow plans over Redis: connections, the clock, what was heard last. Knows no driver."""
