"""Two hosts, as network namespaces, and between them a link that loses packets, each way apart.

The link is two TUN devices with a thread in between, since not every kernel has netem. The thread
that enters `lossy_link` is on the first host from then on, and so is whatever it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Of the addresses for documentation (RFC 5737); there is no way out of the namespaces anyway.
SERVER, AGENTS = "192.0.2.1", "192.0.2.2"

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000


@dataclass
class Link:
    """`to_agents` and `to_server`: the share of packets that get lost on their way there."""

    host: str
    to_agents: float = 0.0
    to_server: float = 0.0
    carried: int = 0
    lost: int = 0

    @property
    def on_agents_host(self) -> tuple[str, ...]:
        """Put before a command, it makes the command run there."""
        return ("ip", "netns", "exec", self.host)

    def heal(self) -> None:
        self.to_agents = self.to_server = 0.0


@contextlib.contextmanager
def lossy_link() -> Iterator[Link]:
    name = f"upshift-{os.getpid()}-{random.randrange(10_000)}"
    servers, agents = f"{name}-s", f"{name}-a"
    with contextlib.ExitStack() as stack:
        ends = []
        for host, address in ((servers, SERVER), (agents, AGENTS)):
            _ip("netns", "add", host)
            stack.callback(_ip, "netns", "del", host)
            ends.append(stack.enter_context(_tunnel(host, address)))
        link, done = Link(agents), threading.Event()
        carrier = threading.Thread(target=_carry, args=(link, *ends, done), daemon=True)
        carrier.start()
        stack.callback(carrier.join)
        stack.callback(done.set)
        stack.enter_context(_on(servers))
        yield link


@contextlib.contextmanager
def _tunnel(host: str, address: str) -> Iterator[int]:
    device = f"up{random.randrange(1 << 32):x}"
    end = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN | _IFF_NO_PI))
        _ip("link", "set", device, "netns", host)  # what is read and written here stays the same
        _ip("-n", host, "address", "add", f"{address}/24", "dev", device)
        for name in ("lo", device):
            _ip("-n", host, "link", "set", name, "up")
        yield end
    finally:
        os.close(end)


def _carry(link: Link, servers: int, agents: int, done: threading.Event) -> None:
    while not done.is_set():
        for end in select.select((servers, agents), (), (), 0.1)[0]:
            packet = os.read(end, 65_536)
            lost = link.to_agents if end == servers else link.to_server
            if random.random() < lost:
                link.lost += 1
                continue
            link.carried += 1
            with contextlib.suppress(OSError):  # a full queue loses packets too
                os.write(agents if end == servers else servers, packet)


@contextlib.contextmanager
def _on(host: str) -> Iterator[None]:
    """The calling thread, and what it starts, is on that host."""
    with open("/proc/thread-self/ns/net") as home, Path("/run/netns", host).open() as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # `os.setns` came with Python 3.12
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
