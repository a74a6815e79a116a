"""One module for each verb, or few that belong together.

No table and no wording that two share: these are in `screen`.
"""
