"""The processes of one side of a comparison, all real and on loopback, from start to end."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self, TypeVar

from servers import (
    HttpServer,
    RedisServer,
    Server,
    eventually,
    free_port,
    http_server,
    redis_server,
)

from .load import Caller
from .processes import cpu_s
from .program import Code, Program

FLOORS = Path(__file__).parents[1] / "floors"
S = TypeVar("S", bound=Server)
T = TypeVar("T")
LONG_MS = 20 * 60 * 60 * 1000

#: The user's block, and a rule that goes up and down again as fast as one can send.
RULES = """
sampling:
  default: 19
  on_alert:
    - trigger: high_cpu
      frequency: 100
      duration: 10m
    - trigger: high_latency
      frequency: 49
      duration: 15m
    - trigger: bench_shift
      frequency: 200
      duration: 1h
      on_resolved: revert
limits:
  max_new_targets: 100000000  # many of the targets are new
"""
#: As well, where the code knows it: crowds are raised at once, and many targets have no agents.
UNLIMITED = "  max_boosted_agents: unlimited\n"


class Side:
    """Starts what a row asks for, in a folder of its own, and ends it all when it is closed.

    kept: a folder for what is made once a run and copied, by all sides with the same code.
    """

    _making = threading.Lock()

    def __init__(self, code: Code, folder: Path, kept: Path, *, tiny: bool = False) -> None:
        self.code = code
        self.tiny = tiny
        self._folder = folder
        self._kept = kept
        self._stack = ExitStack()
        self._folder.mkdir(parents=True)
        self._pids: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, full: T, *, tiny: T) -> T:
        """How much of something: in full, or as little as shows that a row runs."""
        return tiny if self.tiny else full

    def cpu_s(self) -> float:
        """CPU seconds of all processes of this side so far."""
        return sum(map(cpu_s, self._pids))

    @cached_property
    def redis(self) -> RedisServer:
        context = redis_server(self._folder / "valkey", "--maxclients", "8000")
        return self._own(self.enter(context))

    def stored(self, targets: int, leases: int) -> None:
        """Let `redis` start with targets `service/seed-0` and so on, of so many leases each."""
        made = self._kept / f"{targets}x{leases}"
        with self._making:
            if not made.exists():
                half = made.with_suffix(".half")
                with Side(self.code, half, self._kept) as making:
                    making.seed("states", targets, leases, LONG_MS).ask("seed")
                    with making.redis.client() as client:
                        client.bgrewriteaof()  # it is loaded once a block
                        eventually(lambda: not client.info()["aof_rewrite_in_progress"])
                half.rename(made)
        shutil.copytree(made / "valkey", self._folder / "valkey")

    def seed(self, *what: object) -> Program:
        """What puts things into `redis` under the prefix that it is told, and answers when done."""
        return self.start(self.product("seed.py", self.redis.url, *what))[0]

    @cached_property
    def controller(self) -> HttpServer:
        """`upshift serve`, as anybody would start it; its log goes to a file."""
        config = self._folder / "upshift.yaml"
        config.write_text(RULES + (UNLIMITED if knows_unlimited(self.code.tree) else ""))
        options = [f"--config={config}", f"--redis={self.redis.url}"]
        return self._http(
            "upshift", *self.code.prefix, "-m", "upshift_controller", "serve", *options
        )

    @cached_property
    def floor_receiver(self) -> HttpServer:
        return self._http("floor", *self.floor("receiver.py", self.redis.url))

    def _http(self, name: str, *command: str) -> HttpServer:
        """A server that is told where to listen as its last option."""
        port = free_port()
        listen = f"--listen=127.0.0.1:{port}"
        context = http_server(self._folder / name, port, *command, listen)
        return self._own(self.enter(context))

    def made(self, name: str) -> Path:
        """Where a row puts what it makes for itself, called `name`."""
        return self._folder / name

    def enter(self, context: AbstractContextManager[T]) -> T:
        return self._stack.enter_context(context)

    def caller(self, server: HttpServer) -> Caller:
        return self.enter(Caller(server.port))

    def product(self, script: str, *arguments: object) -> list[str]:
        """The command of a program under `products/`."""
        return [*self.code.script(script), *map(str, arguments)]

    def floor(self, script: str, *arguments: object) -> list[str]:
        """The command of a program under `floors/`."""
        return [sys.executable, "-W", "ignore", "-u", str(FLOORS / script), *map(str, arguments)]

    def start(self, *commands: Sequence[str]) -> list[Program]:
        """Start programs together, and wait until all of them are ready."""
        started = []
        for command in commands:
            log = self._folder / f"program-{len(self._pids)}.log"
            started.append(Program(command, log))
            self._stack.callback(started[-1].stop)
            self._pids.append(started[-1].pid)
        for program in started:
            assert program.line() == "ready"
        return started

    def _own(self, server: S) -> S:
        assert server.process is not None
        self._pids.append(server.process.pid)
        return server


def knows_unlimited(tree: Path) -> bool:
    """Whether a limit can be lifted in the code there; there is none by default where it cannot."""
    modules = (tree / "controller" / "upshift_controller").rglob("*.py")
    return any('"unlimited"' in module.read_text() for module in modules)
