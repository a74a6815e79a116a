"""All that is kept in Redis: connections, keys, scripts, what is read back.

Decides nothing about leases; implements the ports of `leasing`.
"""
