"""What a pprof holds, by function. Pure."""
