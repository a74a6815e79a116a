"""bpftrace (0.17 or newer): one process of it samples all workloads of the node.

`program` writes what it runs and reads what it prints, `waiting` the part that is for wall; both
are pure. `node` is the one process, which every workload's driver registers with; a boosted one has
a rate of its own beside the others.
"""
