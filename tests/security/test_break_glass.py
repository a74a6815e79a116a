"""With every controller down, `--direct` makes the same transition and the same commit."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from security import processes
from servers import RedisServer, eventually, free_port
from upshift_agent import Agent
from upshift_agent.contract import Keys, decode_plan
from upshift_agent.testing import RecordingDriver

SECRET = b"the-secret-of-all-0123456789"
HOME = "service/checkout"


def upshift(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "upshift_controller", *arguments],
        cwd=folder,
        env={**os.environ, "UPSHIFT_URL": "http://127.0.0.1:1", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_overrides_work_signed_and_in_the_history_with_every_controller_down(
    valkey: RedisServer, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_bytes(SECRET)
    (tmp_path / "url").write_text(f"{valkey.url}\n")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "upshift.yaml").write_text("listen: [")  # must not be in the way
    settings = f"secret_file: {secrets}\n"
    driver = RecordingDriver()

    def direct(*arguments: str) -> str:
        done = upshift(
            *arguments,
            *("--direct", "../url"),
            folder=tmp_path / "broken",
            UPSHIFT_SECRET_FILE=str(secrets),
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    with (
        processes.controller(tmp_path / "before", valkey.url, settings) as controller,
        Agent(redis_url=valkey.url, service="checkout", driver=driver, secrets=SECRET) as agent,
    ):
        eventually(lambda: agent.connected)
        granted = controller.lease(target=HOME, kind="boost", hz=100, duration="10m")
        driver.wait_for(100)
        controller.kill()

        said = direct("cap", "fleet", "--hz", "0", "--for", "1h", "--reason", "rollback")
        assert "profiling stops everywhere for 1h" in said
        driver.wait_for(0)
        (cap,) = re.findall(r"upshift release (\S+)", said)
        assert "released cap" in direct("release", cap)
        driver.wait_for(100)
        direct("pin", HOME, "--hz", "7", "--for", "1m")
        driver.wait_for(7)
        direct("release", HOME)
        driver.wait_for(19)
        # No limit applies: it would be of a file that may be what is wrong.
        direct("boost", HOME, "--hz", "300", "--for", "1m", "--where", "process.pid=1")
        plan = decode_plan(valkey.client().get(Keys().plan(HOME)), [SECRET])
        assert [(it.kind, it.hz, it.where) for it in plan.leases] == [
            ("boost", 300, {"process.pid": ("1",)})
        ]
        assert driver.frequencies == [19, 100, 0, 100, 7, 19]
        wall = ("--hz", "9", "--for", "1m", "--profile", "wall")
        nobody = upshift(
            *("boost", HOME, *wall, "--direct", valkey.url),
            folder=tmp_path,
            UPSHIFT_SECRET_FILE=str(secrets),
        )
        assert (nobody.returncode, nobody.stderr) == (
            0,
            "Note: no agent of service/checkout can raise wall\n",
        )
    with processes.controller(tmp_path / "after", valkey.url, settings) as controller:
        entries = controller.get("/api/v1/history")["entries"]
        assert controller.said("state ignored") == 0
    user = getpass.getuser()
    ours = [it for it in entries if it["lease"] and it["lease"]["because"].get("via") == "direct"]
    assert [it["event"] for it in reversed(ours)].count("granted") == 4
    assert {it["lease"]["because"]["by"] for it in ours} == {user}
    released = [it for it in entries if it["event"] == "released"]
    assert len(released) == 3  # the cap alone, the service's two at once
    assert all(f"released by {user}, via direct" in it["reason"] for it in released)
    assert {it["by"] for it in released} == {user}
    assert granted in {it["lease"]["id"] for it in entries if it["lease"]}


@pytest.mark.parametrize(
    ("options", "says"),
    [([], "no secret is set"), (["--secret-file", "other"], "signed with none of the secrets")],
)
def test_who_lacks_the_secret_is_refused_and_changes_nothing(
    valkey: RedisServer, tmp_path: Path, options: list[str], says: str
) -> None:
    (tmp_path / "secrets").write_bytes(SECRET)
    (tmp_path / "other").write_bytes(b"another-secret-0123456789")
    with processes.controller(tmp_path, valkey.url, "secret_file: secrets\n"):
        pass
    with valkey.client() as client:
        before = client.dbsize()
    done = upshift(
        *("cap", "fleet", "--hz", "0", "--for", "1h", "--direct", valkey.url, *options),
        folder=tmp_path,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    with valkey.client() as client:
        assert client.dbsize() == before
        assert decode_plan(client.get(Keys().plan("fleet")), [SECRET]).leases == ()


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--direct", f"redis://:password-canary@127.0.0.1:{free_port()}"], 3, "not answering"),
        (["--direct", "http://:password-canary@x"], 1, "redis must be"),
        (["--direct", "nothing-there"], 2, "a file that holds one"),
        (["--direct", "redis://127.0.0.1:1", "--wait"], 2, "not watched with --direct"),
        (["--direct", "redis://127.0.0.1:1", "--secret-file", "none"], 1, "cannot read none"),
        (["--direct", "redis://127.0.0.1:1", "--namespace", "a b"], 1, "namespace"),
    ],
)
def test_what_cannot_work_is_said_without_a_password(
    tmp_path: Path, options: list[str], code: int, says: str
) -> None:
    done = upshift("cap", "fleet", "--hz", "0", "--for", "1h", *options, folder=tmp_path)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "defect" not in done.stderr
