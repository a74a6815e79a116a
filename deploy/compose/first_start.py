"""Passwords and tokens for compose.yaml, made once: `first_start.py TEMPLATES OUT`.

OUT has a folder for each container, which sees no other's.
"""

import hashlib
import secrets
import sys
from pathlib import Path

USERS = ("ADMIN", "CONTROLLER", "AGENT", "HOST")
TOKENS = ("webhook", "viewer", "operator")


def contents(templates: Path) -> dict[str, str]:
    """Every file, by its path below OUT."""
    passwords = {user: secrets.token_hex(24) for user in USERS}
    tokens = {token: secrets.token_hex(24) for token in TOKENS}
    acl = (templates / "users.acl").read_text()
    for user, password in passwords.items():
        acl = acl.replace(f"{user}_SHA256", hashlib.sha256(password.encode()).hexdigest())
    settings = (templates / "upshift.yaml").read_text()
    return {
        "valkey/users.acl": acl,
        "upshift/upshift.yaml": settings.replace("CONTROLLER_PASSWORD", passwords["CONTROLLER"]),
        **{f"upshift/{name}-token": token for name, token in tokens.items()},
        "alertmanager/webhook-token": tokens["webhook"],
        "prometheus/viewer-token": tokens["viewer"],
        "grafana/admin-password": secrets.token_hex(12),
        "demo/redis-url": f"redis://upshift-agent:{passwords['AGENT']}@valkey:6379",
    }


def main(templates: str, out: str) -> None:
    files = {Path(out, path): text for path, text in contents(Path(templates)).items()}
    if all(path.exists() for path in files):
        return  # they belong together, so it is all or none
    for path, text in files.items():
        path.write_text(text)
        path.chmod(0o444)  # for whatever user the container has; the folder is its alone


if __name__ == "__main__":
    main(*sys.argv[1:])
