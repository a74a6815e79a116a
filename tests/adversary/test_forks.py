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
agents = [Agent(redis_url=URL, service="checkout", driver=id) for _ in range(2)]
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
