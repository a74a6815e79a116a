"""A procfs of a test's own: processes that are files, and come and go as it likes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from upshift_host.discovery.procfs import Procfs

CONTAINER = "4f" * 32


class ProcTree:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.procfs = Procfs(root)
        (root / "sys").mkdir(parents=True)  # as the real one, it holds more than processes

    def add(
        self,
        pid: int,
        *command: str,
        exe: str = "/usr/bin/thing",
        parent: int = 1,
        start_ticks: int | None = None,
        state: str = "S",
        environ: Mapping[str, str] | None = None,
        cgroup: str = "/",
        inner_pid: int | None = None,
        maps: str = "",
        host: str = "",
    ) -> None:
        """A process begins, or becomes another program."""
        folder = self.root / str(pid)
        (folder / "ns").mkdir(parents=True, exist_ok=True)
        (folder / "fd").mkdir(exist_ok=True)
        (folder / "net").mkdir(exist_ok=True)
        (folder / "root/etc").mkdir(parents=True, exist_ok=True)
        ticks = 1000 + pid if start_ticks is None else start_ticks
        fields = [state, str(parent), *["0"] * 17, str(ticks), "0", "0"]
        (folder / "stat").write_text(f"{pid} (a (bad) name) {' '.join(fields)}\n")
        (folder / "cmdline").write_bytes(b"".join(it.encode() + b"\0" for it in command))
        pairs = [f"{name}={value}\0" for name, value in (environ or {}).items()]
        (folder / "environ").write_bytes("".join(pairs).encode())
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "status").write_text(f"Name:\tx\nNSpid:\t{pid}\t{inner_pid or pid}\n")
        (folder / "maps").write_text(maps)
        (folder / "root/etc/hostname").write_text(f"{host}\n")
        for name, target in (("exe", exe), ("ns/net", "net:[1]")):
            (folder / name).unlink(missing_ok=True)
            if name != "exe" or state not in "ZX":
                (folder / name).symlink_to(target)
        for name in ("tcp", "tcp6"):
            (folder / "net" / name).touch()

    def end(self, pid: int) -> None:
        shutil.rmtree(self.root / str(pid))

    def replace(self, pid: int, *command: str, start_ticks: int) -> None:
        """The pid is given to another process, which its number in the list shows."""
        aside = self.root / f"former-{pid}"  # keeps its inode from being given anew as well
        (self.root / str(pid)).rename(aside)
        self.add(pid, *command, start_ticks=start_ticks)

    def listen(self, pid: int, port: int, inode: int) -> None:
        """It listens on a port, which all processes of the network see."""
        line = f"   0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {inode} 1 0 100\n"
        for folder in self.root.glob("[0-9]*"):
            with (folder / "net/tcp").open("a") as file:
                if file.tell() == 0:
                    file.write("  sl  local_address ...\n")
                file.write(line)
        (self.root / str(pid) / "fd/3").symlink_to(f"socket:[{inode}]")
