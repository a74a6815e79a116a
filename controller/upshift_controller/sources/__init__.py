"""What asks for boosts: a folder for each system that does.

It reads what that system sends; it decides nothing, and knows neither Redis nor HTTP servers.
"""
