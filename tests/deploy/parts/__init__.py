"""A module for each group of parts, with its `ROWS` of the table; each is found by itself."""
