"""The systems that ask for boosts, a folder for each.

A folder reads what its system sends; it decides nothing, and knows neither Redis nor HTTP servers.
"""
