"""A child of a fork has its agent, whatever the parent's threads were doing at that moment."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from applications import APPLICATION, gunicorn, run
from servers import RedisServer, eventually
from upshift_agent.testing import FakeController

HOME = "service/checkout"

#: Stop the first import of a module in the midst of it, with its lock held, for a while.
SLOW_IMPORT = """
import threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork among threads
importing = threading.Event()
def slow_import(name, *, for_s):
    sys.modules.pop(name, None)
    class Slow:
        def find_spec(self, wanted, path=None, target=None):
            if wanted == name and not importing.is_set():
                importing.set()
                time.sleep(for_s)
    sys.meta_path.insert(0, Slow())
agent = Agent(redis_url=URL, service="checkout", driver=lambda _: asked.append(os.getpid()))
def mine():
    return os.getpid() in asked
def child_ended_well(child):
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("for_s", [0.2, 2])  # a fork waits for the first, not for the second
@pytest.mark.parametrize("module", ["redis.asyncio.client", "importlib.metadata", "email.message"])
def test_a_child_forked_while_its_parents_thread_imports_has_its_agent(
    valkey: RedisServer, module: str, for_s: float
) -> None:
    script = f"""
slow_import({module!r}, for_s={for_s})
def driver(decision):
    import email.message
    asked.append(decision.hz)
# A child's thread may be given the number of a lost one, and with it that one's locks.
agents = [Agent(redis_url=URL, service="checkout", driver=lambda _: None) for _ in range(2)]
agents.insert(1, agent := Agent(redis_url=URL, service="checkout", driver=driver))
for each in agents:
    each.start()
assert importing.wait(20)
child = os.fork()
if child == 0:
    until(lambda: all(it.connected for it in agents) and asked)
    sys.exit()
child_ended_well(child)
until(lambda: all(it.connected for it in agents) and asked)
print("end", flush=True)
"""
    run(valkey.url, SLOW_IMPORT + script)


LOCAL = "redis://127.0.0.1:1"  # nobody there: a driver is asked for the baseline all the same


@pytest.mark.parametrize(
    "how",
    [
        "os.fork()",
        "os.forkpty()[0]",
        "thread_forks()",
    ],
)
def test_a_child_has_its_agent_however_it_was_forked(how: str) -> None:
    script = f"""
def thread_forks():
    forked = []
    def fork():
        forked.append(os.fork())
        if forked[0] == 0:
            work()
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
    return forked[0]
def work():
    until(mine)
    os._exit(0)
agent.start()
until(mine)
child = {how}
if child == 0:
    work()
child_ended_well(child)
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


def test_a_child_whose_fork_ran_no_handler_of_ours_has_its_agent_when_it_starts_it() -> None:
    """As in a `postfork` of uWSGI. A fork that does not tell Python either is nobody's to survive:
    without any Upshift a child of it may wait for the interpreter's own lock for ever."""
    script = """
from upshift_agent.runtime import process
process._hooked = True  # so it does not hook in
agent.start()
until(mine)
child = os.fork()
if child == 0:
    agent.start()
    until(mine)
    os._exit(0)
child_ended_well(child)
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


def test_the_child_of_a_child_has_its_agent_when_the_first_ends_at_once() -> None:
    script = """
read, write = os.pipe()
agent.start()
if os.fork() == 0:
    if os.fork() == 0:
        until(mine)
        os.write(write, b"asked")
    os._exit(0)
assert os.read(read, 5) == b"asked"
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


def test_a_driver_that_hangs_holds_up_one_fork_for_a_second_and_no_other() -> None:
    script = """
begun = threading.Event()
def driver(decision):
    begun.set()
    time.sleep(60)
agent = Agent(redis_url=URL, service="checkout", driver=driver)
agent.start()
assert begun.wait(20)
def fork():
    before = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return time.monotonic() - before
assert 0.9 < fork() < 3
assert sum(fork() for _ in range(3)) < 0.9
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


def test_a_driver_may_fork() -> None:
    script = """
def driver(decision):
    before = time.monotonic()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    asked.append(time.monotonic() - before)
agents = [Agent(redis_url=URL, service="checkout", driver=lambda it: driver(it)) for _ in range(4)]
for each in agents:
    each.start()
until(lambda: len(asked) == 4)
assert max(asked) < 0.9, asked
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


def test_a_child_without_descriptors_to_spare_has_its_agent(valkey: RedisServer) -> None:
    script = """
import resource
agent.start()
until(lambda: agent.connected)
held = []
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    child = os.fork()
if child == 0:
    time.sleep(0.2)  # it has failed once
    for fd in held:
        os.close(fd)
    until(mine)
    os._exit(0)
child_ended_well(child)
print("end", flush=True)
"""
    run(valkey.url, SLOW_IMPORT + script, stderr_says="the agent")


def test_an_agents_thread_that_hangs_before_its_work_is_told_of_and_replaced() -> None:
    script = """
import logging
logging.basicConfig(stream=sys.stdout)
import upshift_agent.engine, upshift_agent.following.thread
upshift_agent.following.thread.BEGIN_S = 0.5
sound = upshift_agent.engine.Engine
def hang(*_):
    upshift_agent.engine.Engine = sound
    threading.Event().wait()
agent.start()
until(mine)
child = os.fork()
if child == 0:
    until(mine)
    os._exit(0)
child_ended_well(child)
agent.stop()
asked.clear()
upshift_agent.engine.Engine = hang
agent.start()
until(mine)
print("end", flush=True)
"""
    output, _ = run(LOCAL, SLOW_IMPORT + script)
    assert output.count("has not begun its work") == 1


def test_a_fork_waits_while_a_handler_of_the_applications_log_holds_a_lock() -> None:
    script = """
import logging
class Slow(logging.Handler):
    def __init__(self):
        super().__init__()
        self.own, self.busy = threading.Lock(), threading.Event()
    def emit(self, record):
        with self.own:
            self.busy.set()
            time.sleep(0.3)  # the fork comes within
handler = Slow()
logging.getLogger("upshift_agent").addHandler(handler)
agent.start()  # it will say that nobody is there
assert handler.busy.wait(20)
child = os.fork()
if child == 0:
    os._exit(not handler.own.acquire(timeout=5))
child_ended_well(child)
print("end", flush=True)
"""
    run(LOCAL, SLOW_IMPORT + script)


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
    assert all(it.applied and it.applied.hz == hz for it in living.values())
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
    if status is None or status.applied is None or status.applied.hz != hz:
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
