"""Benchmarks: Upshift beside the floor that its parts set. `make bench`, or `python -m bench`.

What belongs here: measuring, and telling. No claim about time: `test_bench.py` only runs each row.
Floors (`floors/`) are programs of their own over the same libraries, without Upshift's code.
"""
