"""A child of a fork has its agent, whatever the parent's threads were doing at that moment."""

import pytest

from applications import run
from servers import RedisServer

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
from upshift_agent.runtime.gate import gate
class Slow(logging.Handler):
    def __init__(self):
        super().__init__()
        self.own = threading.Lock()
        self.busy = threading.Event()
    def emit(self, record):
        with self.own:
            self.busy.set()
            until(lambda: gate._forks)  # one has come, and waits
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
