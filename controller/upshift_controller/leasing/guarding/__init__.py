"""Guards of rules: `only_if` before a boost is granted, `stop_if` while it runs."""
