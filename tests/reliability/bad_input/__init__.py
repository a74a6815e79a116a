"""Bad input, tried in numbers: no 500, no crash, and no refused request that changes anything."""
