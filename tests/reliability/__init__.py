"""The promises of `tests/README.md`, each held against real faults on real processes.

`make reliability` runs every row at full size and prints the table; `make test` runs the small
size of each. A row injects faults, measures the worst case, and says whether the promise held.
"""
