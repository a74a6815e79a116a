"""Clocks are wrong, step, or stand still."""
