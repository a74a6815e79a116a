"""What boosts brought: profiles before and now, and which functions changed. Pure, but for `backends`.
Nothing here grants, ends or delays a lease."""
