"""What boosts brought: profiles before and now, and which functions changed. Nothing here grants,
ends or delays a lease."""
