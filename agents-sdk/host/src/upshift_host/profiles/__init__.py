"""What a profiler saw, and how a backend is told. Knows no process, no Redis and no frequency.

`window` is the value in between: drivers make one, an exporter sends it. Encoders are pure; the
queue and the connection are in `export` and `sending`.
"""
