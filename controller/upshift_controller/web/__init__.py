"""HTTP at the edge: requests → calls of `leasing` and `records` → answers. No decisions here."""
