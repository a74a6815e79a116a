"""Workers of servers and pools: however they were forked, each has its agent."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from applications import APPLICATION, gunicorn, run
from contract.statuses import applied_hz
from servers import RedisServer, eventually
from upshift_agent.testing import FakeController

HOME = "service/checkout"


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


def at(hz: int, controller: FakeController) -> set[int]:
    """The living processes that report an agent, all of which must run at `hz`."""
    statuses = controller.statuses(HOME).values()
    pids = {int(it.attributes["process.pid"]): it for it in statuses}
    living = {pid: it for pid, it in pids.items() if Path(f"/proc/{pid}").exists()}
    assert all(applied_hz(it) == hz for it in living.values())
    return set(living)


@pytest.mark.parametrize(
    ("hook", "preload", "agents"),
    [
        ("post_fork(server, worker)", False, 2),
        ("post_fork(server, worker)", True, 2),
        ("when_ready(server)", True, 3),
    ],
)
def test_each_worker_of_gunicorn_has_its_agent_whichever_hook_starts_it(
    valkey: RedisServer,
    controller: FakeController,
    tmp_path: Path,
    hook: str,
    preload: bool,
    agents: int,
) -> None:
    with gunicorn(tmp_path, valkey.url, workers=2, preload=preload, hook=hook) as server:
        assert server.process is not None
        arbiter = {server.process.pid} if agents == 3 else set()
        eventually(lambda: len(at(19, controller)) == agents)
        controller.boost(HOME, hz=100, for_s=60)
        first = eventually(lambda: len(it := at(100, controller)) == agents and it)
        assert arbiter <= first
        os.kill(killed := (first - arbiter).pop(), signal.SIGKILL)
        eventually(lambda: len(it := at(100, controller)) == agents and killed not in it)
    assert "Traceback" not in (tmp_path / "log").read_text()


#: Each process has to run at what the controller wants, by its own account.
FOLLOWING = """
import warnings
from upshift_agent.testing import FakeController
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork among threads
def at(hz, agent):
    status = agent.status
    if status is None or status.applied is None or status.applied.profiles["cpu"].hz != hz:
        return False
    return agent.connected and status.attributes["process.pid"] == str(os.getpid())
def follow(hz, agent):
    controller = FakeController(URL)
    controller.boost("service/checkout", hz=hz, for_s=60)
    until(lambda: at(hz, agent))
    controller.close()
"""


@pytest.mark.parametrize("how", ["fork", "forkserver", "spawn"])
def test_each_process_of_multiprocessing_has_its_agent_and_the_parent_keeps_its(
    valkey: RedisServer, tmp_path: Path, how: str
) -> None:
    shop = """
def work():
    agent.start()
    until(lambda: at(100, agent))
"""
    (tmp_path / "shop.py").write_text(APPLICATION.format(url=valkey.url) + FOLLOWING + shop)
    script = f"""
import multiprocessing
sys.path.insert(0, {str(tmp_path)!r})
import shop
shop.agent.start()
follow(100, shop.agent)
context = multiprocessing.get_context({how!r})
children = [context.Process(target=shop.work) for _ in range(2)]
for child in children:
    child.start()
for child in children:
    child.join()
assert [child.exitcode for child in children] == [0, 0]
follow(150, shop.agent)
print("end", flush=True)
"""
    run(valkey.url, FOLLOWING + script)


#: Whether uWSGI tells Python of its forks in the parent, too. Python 3.13 cannot do without.
TOLD = [True, False] if sys.version_info < (3, 13) else [True]


@pytest.mark.parametrize("parent_told", TOLD)
def test_a_master_that_forks_in_c_and_its_workers_have_their_agents(
    valkey: RedisServer, parent_told: bool
) -> None:
    """As uWSGI forks, twice for a daemon."""
    script = f"""
import ctypes
python = ctypes.pythonapi
def fork():
    {parent_told} and python.PyOS_BeforeFork()
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        python.PyOS_AfterFork_Child()
    elif {parent_told}:
        python.PyOS_AfterFork_Parent()
    return child
def ended_well(child):
    return os.waitpid(child, 0)[1] == 0
agent.start()
follow(100, agent)
master = fork()
if master == 0:
    until(lambda: at(100, agent))
    workers = []
    for _ in range(2):
        worker = fork()
        if worker == 0:
            until(lambda: at(100, agent))
            os._exit(0)
        workers.append(worker)
    well = all([ended_well(worker) for worker in workers])
    follow(150, agent)
    os._exit(not well)
assert ended_well(master)
until(lambda: at(150, agent))
print("end", flush=True)
"""
    run(valkey.url, FOLLOWING + script)
