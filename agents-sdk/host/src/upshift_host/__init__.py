"""The host agent: `upshift-agent run` drives profilers of processes that know nothing of Upshift.

One process, one follower; an agent for each workload that discovery finds, and one for the node.
"""

__version__ = "0.1.0"
