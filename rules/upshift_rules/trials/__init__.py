"""Rules in virtual time, before they are deployed: rule tests, and replays of alerts of the past.

Pure. Nothing is decided here: matching, transitions, limits and `resolve` are those of a controller
and of agents. What belongs here: the time that passes between two of them, and what is to be said
of it afterwards. What does not: files, Prometheus, terminals.
"""
