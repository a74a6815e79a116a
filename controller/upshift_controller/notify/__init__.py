"""Notices out: others are told of boosts, refusals and kill switches. Never in the way of a lease.

`notices` makes them of what was committed, `words` their texts, both pure; `grafana` and `webhook`
send one; `delivery` has the queue of a destination and its patience; `notifier` puts all together.

Whoever committed a change tells of it, and each change is committed once: so three controllers tell
once, and need to agree on nothing. What waits when a controller ends has a moment more.
"""
