"""What the SDK and its profiler cost a process."""
