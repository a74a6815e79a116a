"""One file per profiler, imported only when it is asked for."""
