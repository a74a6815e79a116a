"""`files:` of `agent.yaml`: profilers that somebody else runs, and the file that tells each one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from upshift_agent import Profile
from upshift_rules.documents.fields import Duration, Hz, Line, Matchers, Text
from upshift_rules.documents.located import Section, must_be
from upshift_rules.documents.nodes import Path

from ..workload import Language
from .fields import CommandPattern, HttpUrl

Preset = Literal["alloy.ebpf", "alloy.java", "alloy.scrape", "otel-collector", "file"]
MAX_TEMPLATE = 65_536  # characters
HZ = "{hz}"
FILE = "{file}"

#: For `preset: file` alone; the others know it.
OF_FILE = ("template", "off", "method", "profile", "languages")


def _absolute(value: str) -> str:
    if not value.startswith("/") or value.endswith("/"):
        raise ValueError(f"must be an absolute path of a file, got {value!r}")
    return value


def _no_wildcard(value: str) -> str:
    if value.startswith("-") or "*" in value:
        raise ValueError(f"must be one unit, such as parca-agent.service, got {value!r}")
    return value


AbsolutePath = Annotated[Line, AfterValidator(_absolute)]
#: A program and its arguments. No shell reads them.
Command = Annotated[
    list[Line], Field(min_length=1, max_length=100), must_be("a list: a program and its arguments")
]
Unit = Annotated[Text, AfterValidator(_no_wildcard)]


class ReloadEntry(Section):
    """How the profiler is told to read its file again: one of these."""

    signal: Literal["HUP", "USR1", "USR2"] | None = Field(
        default=None, description="A signal to its process."
    )
    http: HttpUrl | None = Field(
        default=None,
        description="A POST to this URL, which must answer 2xx.",
        examples=["http://127.0.0.1:12345/-/reload"],
    )
    command: Command | None = Field(
        default=None, description="A command, which must exit 0 within 10 s. No shell reads it."
    )
    unit: Unit | None = Field(
        default=None, description="`systemctl reload-or-restart` of this systemd unit."
    )


class ProcessEntry(Section):
    """How the profiler's process is found: one of these."""

    command: CommandPattern | None = Field(
        default=None,
        description="RE2 regular expression that is found in its command line; of several "
        "processes the oldest. Begin it with ^, so that no shell around it is meant.",
    )
    pid_file: AbsolutePath | None = Field(default=None, description="A file that holds its pid.")
    unit: Text | None = Field(default=None, description="Its systemd unit.")


class FileEntry(Section):
    """A profiler that somebody else runs."""

    preset: Preset = Field(description="Which profiler it is; `file` for any other.")
    name: Text | None = Field(
        default=None, description="What statuses call it. Default: the preset."
    )
    file: AbsolutePath = Field(description="The file, which is replaced by rename.")
    number_before: Text | None = Field(
        default=None,
        description="The file is yours, and the number before this text, which is on one line of "
        "it, is the frequency. Without it the file is ours, whole.",
        examples=["# upshift"],
    )
    template: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TEMPLATE,
        description="What the file says; `{hz}` is the frequency.",
    )
    off: str | None = Field(
        default=None,
        max_length=MAX_TEMPLATE,
        description="What it says at 0 Hz. Without it 0 is the lowest frequency.",
    )
    receiver: str = Field(
        default="profiling",
        pattern=r"^[a-z][a-z0-9_]{0,62}(/[A-Za-z0-9_.-]{1,100})?$",
        description="The collector's receiver, for `otel-collector`.",
    )
    method: Literal["ebpf", "push", "pull"] = Field(
        default="ebpf", description="Which method of `fallback_strategy` it is."
    )
    profile: Profile = Field(default="cpu", description="Which profile it is of.")
    languages: list[Language] | None = Field(
        default=None, min_length=1, description="Of which workloads. Default: all."
    )
    select: Matchers | None = Field(
        default=None,
        description="Alertmanager matchers on attributes of workloads. Default: all of the node, "
        "which then share it.",
        examples=[['service_name="checkout"']],
    )
    lowest: Hz = Field(default=1, description="It is never told less, in Hz.")
    highest: Hz = Field(default=1000, description="It is never told more, in Hz.")
    check: Command | None = Field(
        default=None,
        description="A command that must exit 0 within 30 s before a change is loaded; `{file}` is "
        "the file to check. No shell reads it.",
        examples=[["otelcol", "validate", "--config=/etc/otelcol/config.yaml", "--config={file}"]],
    )
    reload: ReloadEntry | None = Field(
        default=None,
        description="How it is told. Default: the preset's; of `file` and Alloy none, it looks at "
        "its file by itself.",
    )
    process: ProcessEntry | None = Field(
        default=None, description="How its process is found. Default: the preset's."
    )
    healthy: HttpUrl | None = Field(
        default=None,
        description="A URL that answers 2xx while the profiler is well; asked after each reload.",
        examples=["http://127.0.0.1:12345/-/healthy"],
    )
    start: Command | None = Field(
        default=None,
        description="A command that starts it, run where a raise has ended it. Default: whoever "
        "runs it starts it again.",
    )
    in_force_within: Duration | None = Field(
        default=None, description="How long it takes to have a change in force."
    )
    raises_per_minute: Annotated[int, Field(ge=1, le=60), must_be("1–60")] = Field(
        default=6, description="Reloads a minute that raises may cause. Ends are not limited."
    )


def faults_of_files(entries: Any) -> Iterable[tuple[Path, str]]:
    """What lies between fields; the entries may be anything."""
    files: set[object] = set()
    names: set[object] = set()
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        path: Path = ("files", place)
        yield from _faults(path, entry)
        name = entry.get("name") or entry.get("preset")
        for seen, what, value in ((files, "file", entry.get("file")), (names, "name", name)):
            if isinstance(value, str) and value in seen:
                yield (*path, what), f"{what} {value} is given a second time; each has its own"
            if isinstance(value, str):
                seen.add(value)


def _faults(path: Path, entry: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
    def given(name: str) -> bool:
        return entry.get(name) is not None

    if entry.get("preset") == "file":
        if given("template") == given("number_before"):
            yield path, "a file needs either template or number_before: what does it say?"
    else:
        for name in filter(given, OF_FILE):
            yield (*path, name), f"{name} is for preset: file; the others know it"
    template = entry.get("template")
    if isinstance(template, str) and HZ not in template:
        yield (*path, "template"), f"template must hold {HZ}, where the frequency goes"
    if given("off") and given("number_before"):
        yield (*path, "off"), "off is for a template; a number is at least the lowest"
    lowest, highest = entry.get("lowest", 1), entry.get("highest", 1000)
    if isinstance(lowest, int) and isinstance(highest, int) and lowest > highest:
        yield (*path, "lowest"), f"lowest must not be above highest, got {lowest} and {highest}"
    check = entry.get("check")
    if isinstance(check, list) and not any(FILE in str(it) for it in check):
        yield (*path, "check"), f"check must name {FILE}, the file to check"
    for name, fields in (("reload", ReloadEntry), ("process", ProcessEntry)):
        value = entry.get(name)
        if (
            isinstance(value, dict)
            and len([it for it in fields.model_fields if value.get(it)]) != 1
        ):
            yield (*path, name), f"{name} must give one of {', '.join(fields.model_fields)}"
    reload = entry.get("reload")
    signal = isinstance(reload, dict) and reload.get("signal")
    if signal and not given("process") and entry.get("preset") == "file":
        yield (*path, "process"), "a signal needs process: whom is it for?"
