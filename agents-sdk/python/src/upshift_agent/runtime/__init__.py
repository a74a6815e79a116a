"""How our threads live in somebody else's process: forks, the event loop, clocks, its log.

Knows neither plans nor Redis.
"""
