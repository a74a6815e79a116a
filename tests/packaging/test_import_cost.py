"""Importing the SDK costs an application next to nothing."""

import subprocess
import sys

import pytest

LOAD = """
import sys, time
before = set(sys.modules)
began = time.process_time()
{statement}
print((time.process_time() - began) * 1000)
print(*(set(sys.modules) - before))
"""


def load(statement: str) -> tuple[float, set[str]]:
    """CPU milliseconds (so that a busy machine does not count), and the modules that came along."""
    output = subprocess.check_output([sys.executable, "-c", LOAD.format(statement=statement)])
    ms, modules = output.decode().splitlines()
    return float(ms), set(modules.split())


@pytest.mark.parametrize("statement", ["import upshift_agent", "from upshift_agent import Agent"])
def test_importing_the_sdk_takes_less_than_20_ms(statement: str) -> None:
    assert min(load(statement)[0] for _ in range(5)) < 20


def test_importing_the_agent_loads_nothing_heavy() -> None:
    _, modules = load("from upshift_agent import Agent")
    assert modules.isdisjoint({"redis", "asyncio", "dataclasses", "json", "logging", "typing"})


def test_making_an_agent_loads_neither_redis_nor_asyncio() -> None:
    _, modules = load(
        "from upshift_agent import Agent\n"
        "Agent(redis_url='redis://127.0.0.1:6379', service='a', driver=print)"
    )
    assert modules.isdisjoint({"redis", "asyncio"})
