"""The Java SDK: its own tests with a real Valkey, its jar, its pages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import redis

from security.certificates import Files
from servers import RedisServer, eventually, free_port

from .java import CLASSES, HERE, JAR, build, java, maven
from .toolchains import downloads

DEPLOY = Path(__file__).parents[2] / "deploy"

pytestmark = [
    pytest.mark.servers("javac", "mvn"),
    pytest.mark.xdist_group("java"),
    # They count samples, and leave async-profiler's logs in /tmp, where others look for their own.
    pytest.mark.skipif(
        os.environ.get("UPSHIFT_INTEGRATIONS") != "1",
        reason="takes half a minute of a quiet machine",
    ),
]
PASSWORD = "password-of-the-agents"


@pytest.fixture(scope="session", autouse=True)
def _fetched() -> None:
    if os.environ.get("UPSHIFT_INTEGRATIONS") == "1":
        downloads(
            "Maven's libraries", ["mvn", "-B", "-ntp", "-q", "test-compile"], HERE, os.environ
        )


OLDEST = 55  # the version of Java 11's classes


def test_the_vectors_and_the_units_pass_in_java_and_its_pages_are_clean() -> None:
    maven("package", "javadoc:javadoc")


def test_the_jar_is_a_module_an_agent_and_carries_all_it_needs_under_its_own_name() -> None:
    build()
    with zipfile.ZipFile(JAR) as jar:
        names = [it for it in jar.namelist() if it.endswith(".class")]
        assert all(it.startswith("upshift/agent/") or it == "module-info.class" for it in names)
        versions = {jar.read(it)[7] for it in names}
        assert max(versions) <= OLDEST
        manifest = jar.read("META-INF/MANIFEST.MF").decode()
        assert "Premain-Class: upshift.agent.start.Premain" in manifest
    described = subprocess.run(
        ["java", "-p", str(JAR), "--describe-module", "upshift.agent"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "automatic" not in described
    assert "exports upshift.agent\n" in described


def test_a_wrong_variable_is_one_line_and_the_application_runs_all_the_same() -> None:
    build()
    done = subprocess.run(
        ["java", f"-javaagent:{JAR}", "-cp", CLASSES, "upshift.agent.programs.Busy", "0"],
        env=os.environ | {"UPSHIFT_REDIS_URL": "http://x", "OTEL_SERVICE_NAME": "checkout"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "busy\n"
    (line,) = done.stderr.splitlines()
    assert "upshift: a Redis URL begins with redis://" in line


@pytest.mark.servers("redis-server")
def test_tls_and_the_rights_of_the_shipped_redis_user_are_enough(tmp_path: Path) -> None:
    build()
    files, output = Files(tmp_path), tmp_path / "calls.jsonl"
    acl = (DEPLOY / "redis" / "users.acl").read_text()
    acl = acl.replace(" +client|setinfo", "")  # Redis 7.0 has none, and the SDK sends none
    digest = hashlib.sha256(PASSWORD.encode()).hexdigest()
    (tmp_path / "users.acl").write_text(re.sub(r"#[A-Z]+_SHA256", f"#{digest}", acl))
    port = free_port()
    trusted = f"?ssl_ca_certs={files.path('ca.pem')}"
    command = ["redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1"]
    command += ["--tls-cert-file", files.path("server.crt"), "--tls-key-file"]
    command += [files.path("server.key"), "--tls-ca-cert-file", files.path("ca.pem")]
    command += ["--tls-auth-clients", "no", "--save", "", "--dir", str(tmp_path)]
    command += ["--aclfile", files.path("users.acl")]
    server = RedisServer(command, port, tmp_path / "redis.log")
    admin = redis.Redis.from_url(f"rediss://admin:{PASSWORD}@127.0.0.1:{port}{trusted}")
    server.start(admin.ping)
    agents = []
    try:
        for name, ca in (("trusts", trusted), ("wary", "")):
            url = f"rediss://upshift-agent:{PASSWORD}@127.0.0.1:{port}{ca}"
            arguments = ["agent", url, "checkout", str(output), name]
            agents.append(subprocess.Popen([*java(), *arguments]))
        eventually(lambda: admin.hlen("upshift:v1:{service/checkout}:agents") == 1, within_s=60)
        plan = {"v": 1, "target": "fleet", "rev": 7, "now_ms": 5, "baseline": {"default": 77}}
        assert admin.publish("upshift:v1:{fleet}:changes", json.dumps(plan)) == 1
        eventually(lambda: '"hz":77' in output.read_text(), within_s=30)
        eventually(lambda: '"wary"' in output.read_text(), within_s=60)
        lines = [json.loads(line) for line in output.read_text().splitlines()]
        assert {it["instance"] for it in lines if it["hz"] == 77} == {"trusts"}
        assert admin.acl_log() == []
        assert "password" not in (tmp_path / "redis.log").read_text()
    finally:
        for agent in agents:
            agent.terminate()
            agent.wait(10)
        admin.close()
        server.stop()
