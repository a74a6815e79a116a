"""What the process itself needs: tasks, threads, slices of the loop's time, bounded memory, output.

Knows nothing of alerts, leases or Redis.
"""
