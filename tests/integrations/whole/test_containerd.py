"""containerd, the real one: what its containers are called."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from servers import Server
from upshift_host.discovery.naming import containerd

pytestmark = pytest.mark.servers("containerd", "root, for networks of its own")

ID = "ab" * 32


def test_a_container_is_called_what_is_written_on_it(tmp_path: Path) -> None:
    path = tmp_path / "containerd.sock"
    settings = tmp_path / "config.toml"
    settings.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    folders = [f"--root={tmp_path}/root", f"--state={tmp_path}/state", f"--address={path}"]
    command = ["containerd", f"--config={settings}", *folders]
    server = Server(command, 0, tmp_path / "containerd.log")
    ctr = ["ctr", f"--address={path}", "--namespace=shop"]
    asks = [*ctr, "version"]
    server.start(lambda: subprocess.run(asks, capture_output=True).returncode == 0)
    try:
        for number in range(30):  # more than a frame holds
            created = [*ctr, "containers", "create", "--rootfs", f"--label=nerdctl/name=c{number}"]
            subprocess.run([*created, str(tmp_path), f"{number:02x}" + ID[2:]], check=True)
        found = containerd.ask(path)
        assert {it["service.name"] for it in found.values()} == {f"c{it}" for it in range(30)}
        assert found["07" + ID[2:]]["container.name"] == "c7"
    finally:
        server.stop()
    with pytest.raises(FileNotFoundError):
        containerd.ask(path)
