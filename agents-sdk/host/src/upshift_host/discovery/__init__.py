"""Which processes of this host make which workloads.

`procfs` reads what the kernel says, `table` keeps what was read and sees what has changed; the rest
is pure. Nothing here starts anything, or knows of plans.
"""
