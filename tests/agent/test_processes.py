"""What processes do to agents: they fork, and they exit."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from applications import gunicorn, run
from servers import RedisServer, eventually
from upshift_agent.testing import FakeController

HOME = "service/checkout"


@pytest.fixture
def controller(valkey: RedisServer) -> Iterator[FakeController]:
    controller = FakeController(valkey.url)
    yield controller
    controller.close()


@pytest.mark.parametrize("moment", ["at once", "once connected"])
def test_a_forked_child_has_an_agent_of_its_own_and_the_parent_keeps_its(
    valkey: RedisServer, controller: FakeController, moment: str
) -> None:
    """At once: while the agent's thread is in the midst of its imports."""
    script = f"""
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork among threads
agent.start()
if {moment!r} == "once connected":
    until(lambda: agent.connected)
child = os.fork()
if child == 0:
    asked.clear()
until(lambda: agent.connected)
if child == 0:
    assert agent.status.attributes["process.pid"] == str(os.getpid())
    until(lambda: 100 in asked)
    sys.exit()  # the way a worker ends, with all that Python does then
until(lambda: 100 in asked)
assert os.waitpid(child, 0)[1] == 0
print("child ended", flush=True)
until(lambda: 50 in asked)
agent.stop()
print("end", flush=True)
"""

    def drive() -> None:
        eventually(lambda: len(controller.statuses(HOME)) == 2, within_s=20)
        controller.boost(HOME, hz=100, for_s=60)
        eventually(lambda: len(controller.statuses(HOME)) == 1, within_s=20)
        controller.release(HOME)
        controller.boost(HOME, hz=50, for_s=60)

    driving = threading.Thread(target=drive)
    driving.start()
    run(valkey.url, script)
    driving.join()
    assert controller.statuses(HOME) == {}


def test_a_child_holds_none_of_its_parents_connections(valkey: RedisServer) -> None:
    script = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
agent.start()
until(lambda: agent.connected)
def sockets():
    links = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
             if os.path.exists(f"/proc/self/fd/{fd}"))
    return {link for link in links if link.startswith(("socket:", "anon_inode:[eventpoll"))}
parents = {link for link in sockets() if link.startswith("socket:")}
read, write = os.pipe()
if os.fork() == 0:
    kept = parents & sockets()
    os.write(write, str(len(kept)).encode())
    os._exit(0)
assert int(os.read(read, 10)) <= 1  # the far end of a pair that only wakes the loop
os.wait()
print("end", flush=True)
"""
    run(valkey.url, script)


@pytest.mark.parametrize("preload", [True, False])
def test_every_worker_of_a_prefork_server_has_its_agent(
    valkey: RedisServer, controller: FakeController, tmp_path: Path, preload: bool
) -> None:
    with gunicorn(tmp_path, valkey.url, workers=2, preload=preload) as server:
        # With --preload the arbiter, which loaded the application, has an agent as well.
        expected = 3 if preload else 2
        eventually(lambda: len(controller.statuses(HOME)) == expected)
        controller.boost(HOME, hz=100, for_s=60)
        for _ in range(10):
            eventually(lambda: server.get("/") == "100")
    eventually(lambda: controller.statuses(HOME) == {})
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("lived_s", [0, 0.5])
@pytest.mark.parametrize("server", ["silent", "absent", "unknown"])
def test_no_outage_holds_up_the_interpreters_exit(silent: str, server: str, lived_s: float) -> None:
    url = {"silent": silent, "absent": "redis://127.0.0.1:1", "unknown": "redis://nohost.invalid"}
    _, took_s = run(
        url[server],
        f'agent.start()\ntime.sleep({lived_s})\nprint("end", flush=True)\n',
    )
    assert took_s < 2, "a fraction of a second, on a machine with nothing else to do"


def test_a_name_server_that_does_not_answer_does_not_hold_up_the_exit() -> None:
    script = """
import socket
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
agent.start()
time.sleep(0.5)
print("end", flush=True)
"""
    assert run("redis://redis.example", script)[1] < 2


def test_a_driver_that_hangs_does_not_hold_up_the_exit(valkey: RedisServer) -> None:
    script = """
agent = Agent(redis_url=URL, service="checkout", driver=lambda decision: time.sleep(60))
agent.start()
until(lambda: agent.connected)
print("end", flush=True)
"""
    assert run(valkey.url, script)[1] < 2


def test_at_exit_the_status_is_taken_back(valkey: RedisServer, controller: FakeController) -> None:
    script = """
agent.start()
until(lambda: agent.connected and agent.status.state == "applied")
time.sleep(0.1)
print("end", flush=True)
"""
    run(valkey.url, script)
    assert controller.statuses(HOME) == {}


def test_a_script_that_exits_at_once_says_nothing(valkey: RedisServer) -> None:
    for _ in range(5):
        run(valkey.url, 'agent.start()\nprint("end", flush=True)\n')


def test_an_agent_that_cannot_have_a_thread_leaves_the_application_alone() -> None:
    script = """
import logging, threading
logging.basicConfig(stream=sys.stdout)
def refuse(self): raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
agent.start()
agent.stop()
print("end", flush=True)
"""
    output, _ = run("redis://127.0.0.1:1", script)
    assert output.count("the agent cannot run here") == 1
