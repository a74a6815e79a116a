"""Images built, and containers started, without an engine: what of compose.yaml can be had."""
