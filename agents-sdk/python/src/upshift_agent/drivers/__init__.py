"""Drivers: one file per profiler, imported only when it is asked for.

`driver.py` says what a driver is, `adapter.py` makes one of whatever an application hands us,
`installed.py` finds those that are registered by name. To add one: a file here with a class that
has the members of `Driver`, and a line under `[project.entry-points."upshift.drivers"]` in
`pyproject.toml`; a distribution of your own needs just that line. Nothing here decides about
a frequency, or knows of Redis.
"""
