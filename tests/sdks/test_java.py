"""The Java SDK: its own tests with a real Valkey, its jar, its pages."""

from __future__ import annotations

import subprocess
import zipfile

import pytest

from .java import JAR, maven

pytestmark = [pytest.mark.servers("javac", "mvn"), pytest.mark.xdist_group("java")]
OLDEST = 55  # the version of Java 11's classes


def test_the_vectors_and_the_units_pass_in_java_and_its_pages_are_clean() -> None:
    maven("package", "javadoc:javadoc")


def test_the_jar_is_a_module_an_agent_and_carries_all_it_needs_under_its_own_name() -> None:
    if not JAR.exists():
        maven("package", "-DskipTests")
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
