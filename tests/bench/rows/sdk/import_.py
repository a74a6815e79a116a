"""What the SDK costs a process that imports it."""

from __future__ import annotations

import subprocess

from ...measuring.row import Line, Row, Sampler, Way, at_most
from ...measuring.side import Side

#: Modules that an import of the SDK must not bring along.
HEAVY = {"redis", "asyncio"}
LOAD = f"""
import sys, time
began = time.perf_counter()
__import__(sys.argv[1])
print((time.perf_counter() - began) * 1000, *({HEAVY} & set(sys.modules)))
"""


def of(module: str) -> Way:
    """Milliseconds on the thread that imports, in a new interpreter."""

    def start(side: Side) -> Sampler:
        command = [*side.code.prefix, "-c", LOAD, module]

        def sample() -> tuple[float]:
            ms, *heavy = subprocess.check_output(command, text=True).split()
            assert not heavy, f"import {module} loads {', '.join(heavy)}"
            return (float(ms),)

        sample()
        return sample

    return start


LINE = Line("import upshift_agent, beside import logging", "ms", at_most(20, "ms"))
ROWS = [Row(lines=[LINE], product=of("upshift_agent"), beside=of("logging"), seconds=1)]
