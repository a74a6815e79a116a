"""Where the natives are: in Maven's jar, of an `asprof`, or not at all, and then it says so."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from upshift_host.drivers.async_profiler import library
from upshift_host.drivers.async_profiler.library import NAME, find, readable_by_all
from upshift_host.drivers.errors import ProfilerFailed

ELF = b"\x7fELF for x64"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    library._of.cache_clear()


def jar(folder: Path, version: str, content: bytes = ELF, entry: str = f"linux-x64/{NAME}") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"async-profiler-{version}.jar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(entry, content)
    return path


def test_a_jar_and_the_folder_that_holds_it_are_the_same(tmp_path: Path) -> None:
    path = jar(tmp_path / "jars", "4.5")
    assert find(path) == find(path.parent)
    assert (find(path).content, find(path).path) == (ELF, None)


@pytest.mark.parametrize("folder", ["", "lib"])
def test_a_library_by_itself_or_in_a_folder_is_taken_from_where_it_is(
    folder: str, tmp_path: Path
) -> None:
    path = tmp_path / "asprof" / folder / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(ELF)
    assert find(tmp_path / "asprof").path == find(path).path == path


def test_without_a_name_it_is_that_of_the_asprof_on_the_path(tmp_path: Path) -> None:
    asprof = tmp_path / "opt" / "bin" / "asprof"
    (tmp_path / "opt" / "lib").mkdir(parents=True)
    (tmp_path / "opt" / "lib" / NAME).write_bytes(ELF)
    asprof.parent.mkdir()
    asprof.touch(mode=0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "asprof").symlink_to(asprof)
    assert find(None, tmp_path).path == tmp_path / "opt" / "lib" / NAME


def test_else_it_is_the_newest_jar_that_maven_has_fetched(tmp_path: Path) -> None:
    for version in ("4.10", "4.5", "4.9"):
        jar(tmp_path / library.MAVEN / version, version, ELF + version.encode())
    assert find(None, tmp_path).content == ELF + b"4.10"


def test_two_libraries_never_pass_for_one(tmp_path: Path) -> None:
    one, two = jar(tmp_path, "4.5"), jar(tmp_path, "4.4", ELF + b"!")
    assert find(one).digest != find(two).digest


def test_whatever_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.so").write_text("no library")
    (tmp_path / "broken.jar").write_text("no jar")
    for named, why in (
        (tmp_path / "nowhere", "nowhere holds neither"),
        (tmp_path / "empty", "empty holds neither"),
        (tmp_path / "text.so", "text.so holds no library"),
        (tmp_path / "broken.jar", "cannot be read"),
        (jar(tmp_path, "4.1", entry="macos/x"), "has no library for x86_64"),
        (jar(tmp_path, "4.2", b"\0" * (library.MAX_LIBRARY + 1)), "holds a library of"),
        (None, "there is no asprof on the PATH"),
    ):
        with pytest.raises(ProfilerFailed, match=why):
            find(named, tmp_path)


def test_a_library_that_anybody_could_have_written_is_not_loaded_from_there(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(ELF)
    path.chmod(0o666)
    assert not readable_by_all(path)
    path.chmod(0o640)
    assert not readable_by_all(path)  # the JVM's user may not read it
    assert not readable_by_all(tmp_path / "nowhere")
