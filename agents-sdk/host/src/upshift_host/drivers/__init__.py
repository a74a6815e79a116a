"""Profilers that are run against processes from outside, each a driver of an agent of its own.

`kinds` is the table of them. What they share: `window` is the loop, `child` starts and ends
processes, `watching` reads how much CPU time there was to be seen. Nothing here knows Redis.

A command line is made of a program's name that is written here, of numbers that were checked, and
of nothing that a plan, a process or a container calls itself.
"""
