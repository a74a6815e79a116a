"""Go's `net/http/pprof`, asked over HTTP: cpu for a part of the time, and snapshots of the heap.

Pure: `duty` (when to ask) and `reading` (what a profile says). `target` asks, `scraping` is the
driver.
"""
