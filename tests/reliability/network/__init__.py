"""The network between agents and Redis cuts, swallows, falls silent, loses packets."""
