"""Containers as an engine would start them, by runc alone, on networks of a test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from servers import eventually

#: What a program of this machine needs to run in a root of its own.
MACHINE = ("/usr", "/lib", "/lib64", "/bin", "/sbin")
_CLOSED = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware")


@dataclass(frozen=True, kw_only=True)
class Mount:
    source: Path
    at: str
    read_only: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is started. user: UID:GID, by number. capabilities: without `CAP_`.

    network: a network namespace's name, else one without anything. pids: of the host.
    """

    name: str
    root: Path
    args: Sequence[str]
    user: str = "0:0"
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    tmpfs: Sequence[str] = ()
    read_only: bool = True
    capabilities: Sequence[str] = ()
    network: str | None = None
    of_host: Sequence[str] = ()
    cwd: str = "/"

    def specification(self) -> dict[str, Any]:
        """For runc: the runtime specification's config.json."""
        uid, gid = map(int, self.user.split(":"))
        rights = [f"CAP_{it}" for it in self.capabilities]
        spaces: list[dict[str, str]] = [
            {"type": it} for it in ("pid", "ipc", "uts", "mount") if it not in self.of_host
        ]
        network = {"path": f"/run/netns/{self.network}"} if self.network else {}
        if "network" not in self.of_host:
            spaces.append({"type": "network", **network})
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": [*self.args],
                "env": [f"{name}={value}" for name, value in self.environment.items()],
                "cwd": self.cwd,
                "capabilities": dict.fromkeys(
                    ("bounding", "effective", "permitted", "inheritable"), rights
                ),
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.root), "readonly": self.read_only},
            **({} if "uts" in self.of_host else {"hostname": self.name}),
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                _tmpfs("/dev", "mode=755"),
                _tmpfs("/dev/shm", "mode=1777"),
                *(_tmpfs(it, "mode=1777") for it in self.tmpfs),
                *map(_bound, self.mounts),
            ],
            "linux": {
                "namespaces": spaces,
                "maskedPaths": _CLOSED,
                "readonlyPaths": ["/proc/sys", "/proc/bus"],
                "resources": {"devices": [{"allow": True, "access": "rwm"}]},
            },
        }


def _tmpfs(at: str, *options: str) -> dict[str, Any]:
    kind = {"destination": at, "type": "tmpfs", "source": "tmpfs"}
    return {**kind, "options": ["nosuid", *options]}


def _bound(mount: Mount) -> dict[str, Any]:
    options = ["rbind", "ro" if mount.read_only else "rw"]
    return {
        "destination": mount.at,
        "type": "bind",
        "source": str(mount.source),
        "options": options,
    }


@dataclass
class Container:
    plan: Plan
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def id(self) -> str:
        return self.folder.name

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def ended(self, within_s: float = 60) -> int:
        """Its exit code."""
        return self.process.wait(within_s)

    def run(self, *args: str, within_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Another program in it, as the health check is."""
        exec_ = [*_runc(self.folder.parent), "exec", self.id, *args]
        return subprocess.run(exec_, capture_output=True, text=True, timeout=within_s)


_numbers = count()


def _runc(folder: Path) -> list[str]:
    return ["runc", "--root", str(folder / "state")]


@contextmanager
def running(plan: Plan, folder: Path) -> Iterator[Container]:
    """Start it; at the end SIGTERM, then SIGKILL. folder: of all of a test's containers."""
    own = folder / f"{plan.name}-{os.getpid()}-{next(_numbers)}"
    own.mkdir(parents=True)
    (own / "config.json").write_text(json.dumps(plan.specification()))
    runc = _runc(folder)
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(
            [*runc, "run", "--bundle", str(own), own.name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Container(plan, own, process)
    finally:
        for signal in ("TERM", "KILL"):
            if process.poll() is None:
                subprocess.run([*runc, "kill", own.name, signal], capture_output=True)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
        subprocess.run([*runc, "delete", "--force", own.name], capture_output=True)


def machine_root(folder: Path) -> tuple[Path, list[Mount]]:
    """An empty root, and what brings this machine's programs into it."""
    folder.mkdir(parents=True)
    for made in ("etc", "tmp", "run"):
        (folder / made).mkdir()
    (folder / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    return folder, [Mount(source=Path(it), at=it) for it in MACHINE if Path(it).exists()]


@dataclass
class Network:
    """One switch, and a machine on it for each name, which all know one another by name."""

    switch: str
    hosts: Path
    addresses: Mapping[str, str]

    def of(self, name: str) -> str:
        return f"{self.switch}-{name}"

    def ask(self, url: str, *options: str) -> str:
        """The body of what `url` answers, by curl. Raise `OSError` for anything but a success."""
        name = url.split("/")[2].split(":")[0]
        at = url.replace(name, self.addresses[name], 1)
        asked = ["ip", "netns", "exec", self.switch, "curl", "-sSf", "-m", "10", *options, at]
        run = subprocess.run(asked, capture_output=True, text=True)
        if run.returncode:
            raise OSError(run.stderr + run.stdout)
        return run.stdout

    def eventually(self, url: str, within_s: float) -> str:
        return str(eventually(lambda: self.ask(url) or " ", within_s=within_s, every_s=0.5))


@contextmanager
def network(names: Sequence[str], folder: Path) -> Iterator[Network]:
    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    switch = f"u{os.getpid()}"
    addresses = {name: f"10.99.0.{number}" for number, name in enumerate(names, 1)}
    hosts = folder / "hosts"
    hosts.write_text(
        "127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in addresses.items())
    )
    with ExitStack() as stack:
        for name in (switch, *(f"{switch}-{name}" for name in names)):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", switch, "link", "add", "br0", "type", "bridge")
        ip("-n", switch, "link", "set", "br0", "up")
        ip("-n", switch, "addr", "add", "10.99.0.254/24", "dev", "br0")
        for number, (name, at) in enumerate(addresses.items()):
            space, port = f"{switch}-{name}", f"v{number}"
            ip("-n", switch, *f"link add {port} type veth peer name eth0 netns {space}".split())
            ip("-n", switch, "link", "set", port, "master", "br0", "up")
            ip("-n", space, "addr", "add", f"{at}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
        yield Network(switch, hosts, addresses)
