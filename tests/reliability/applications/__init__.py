"""Applications fork, are forked, and end, with agents inside."""
