"""Follow plans over Redis for the agents of a process: connections, the clock, what was heard last.

Knows no driver."""
