"""The host agent at work: one follower, an agent for each workload and one for the node.

`carrier` is what each agent drives, `occupied` knows whom an SDK looks after already, `ours` whom
none does; `host` puts all of it together and takes it apart again.
"""
