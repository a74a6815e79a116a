"""HTTP at the edge: requests → calls of `control` and `records` → answers. No decisions here."""
