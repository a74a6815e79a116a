"""Controllers die, or cannot write their log."""
