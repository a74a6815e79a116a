"""The Valkey of a controller that was given no Redis: its folder, its process.

What belongs here: starting, keeping and ending it. Nothing here reads or writes keys.
"""
