"""pyroscope-io: the profiler is restarted at each frequency, which flushes the partial window.

    Agent.from_env(driver=PyroscopeDriver(server_address="http://pyroscope:4040"))

What the library does at the edges (pyroscope-io 1.4): a second configure() returns False and
changes nothing; a sample rate of 0 makes shutdown() hang for ever; 1 Hz takes 3 s to stop; far
above 1000 Hz it burns a core. So it runs between 5 and 1000 Hz only, and it never runs above what
was asked for.

It has one sampler of threads, so `cpu` and `wall` stand in for each other: the one that a boost or
a pin asks for runs, of two such or none `cpu`; the other is reported as achieving 0 Hz. Windows of
`wall` have the tag `upshift_profile="wall"`. `alloc` runs beside either. It has no rate but a size,
one sample for so many bytes: `hz` samples a second of a process that allocates 10 MiB a second
(20 Hz is the library's own 512 KiB), with 64 KiB at the least.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import signature
from typing import Any, NamedTuple

from ..attributes import SERVICE
from ..contract import CPU, ENVIRONMENT, INSTANCE, POD, Profile
from ..contract.errors import ConfigurationError, UpshiftError
from ..contract.resolve import Decision
from ..runtime.complaints import Complaints

LOWEST_HZ = 5
HIGHEST_HZ = 1000
#: What `alloc`'s frequency is of, and the smallest size, in bytes. That one is 160 Hz.
ALLOCATED_PER_S = 10 * 1024 * 1024
SMALLEST = 64 * 1024
#: Attributes that become tags, dots as underscores: what Pyroscope takes for a label name.
TAGGED = (SERVICE, INSTANCE, ENVIRONMENT, "host.name", POD)
#: Pyroscope's own names, of which pyroscope-io reads none, and what they are to `configure`.
VARIABLES = {
    "PYROSCOPE_SERVER_ADDRESS": "server_address",
    "PYROSCOPE_BASIC_AUTH_USER": "basic_auth_username",
    "PYROSCOPE_BASIC_AUTH_PASSWORD": "basic_auth_password",
    "PYROSCOPE_TENANT_ID": "tenant_id",
}


#: Arguments of `configure` that follow from decisions.
OURS = ("sample_rate", "oncpu", "cpu_enabled", "mem_enabled", "mem_heap_sample_size")


def from_environment() -> PyroscopeDriver:
    """The driver that is registered as `pyroscope`. Raise `ConfigurationError`."""
    found = {VARIABLES[name]: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return PyroscopeDriver(**found)


class Session(NamedTuple):
    """What to run: arguments of `configure`, None for nothing; and what is not as was asked for."""

    arguments: Mapping[str, Any] | None
    achieved: Mapping[Profile, float]
    problems: tuple[str, ...]


def session(decisions: Mapping[Profile, Decision]) -> Session:
    """What the library can do of it. Pure."""
    arguments: dict[str, Any] = {"cpu_enabled": False}
    achieved: dict[Profile, float] = {}
    problems: list[str] = []
    threads = _threads(decisions)
    for profile in (CPU, "wall"):
        hz = decisions[profile].hz if profile in decisions else 0
        rate = min(hz, HIGHEST_HZ)
        if profile != threads or rate < LOWEST_HZ:
            if hz:
                achieved[profile] = 0.0
            if 0 < hz < LOWEST_HZ:
                problems.append(f"stopped: {hz} Hz is below the {LOWEST_HZ} Hz that it can keep")
            continue
        arguments |= {"cpu_enabled": True, "sample_rate": rate, "oncpu": profile == CPU}
        if profile == "wall":  # of threads that wait nobody holds the interpreter's lock
            arguments["gil_only"] = False
        if rate < hz:
            achieved[profile] = float(rate)
            problems.append(f"runs at {rate} Hz: above that it would burn a core")
    hz = decisions["alloc"].hz if "alloc" in decisions else 0
    if hz:
        size = max(SMALLEST, ALLOCATED_PER_S // hz)
        arguments |= {"mem_enabled": True, "mem_heap_sample_size": size}
        if size > ALLOCATED_PER_S // hz:
            achieved["alloc"] = ALLOCATED_PER_S / SMALLEST
    runs = arguments["cpu_enabled"] or hz
    return Session(arguments if runs else None, achieved, tuple(problems))


def _threads(decisions: Mapping[Profile, Decision]) -> Profile:
    """Which of the two has the sampler of threads."""
    wall, cpu = decisions.get("wall"), decisions.get(CPU)
    if wall is None or not wall.hz:
        return CPU
    return "wall" if cpu is None or not cpu.hz or (_raised(wall) and not _raised(cpu)) else CPU


def _raised(decision: Decision) -> bool:
    return decision.lease is not None and decision.lease.kind != "cap"


class PyroscopeDriver:
    """Takes the keywords of `pyroscope.configure` but `OURS`.

    `application_name` is `service.name` unless given; `tags` are added to those of the attributes.
    """

    name = "pyroscope"
    profiles: tuple[Profile, ...] = (CPU, "wall", "alloc")

    def __init__(self, **configure: Any) -> None:
        """Raise `ConfigurationError` for what `pyroscope.configure` would not take."""
        try:
            import pyroscope
        except ImportError as error:
            raise ConfigurationError(
                "PyroscopeDriver needs pyroscope-io: pip install 'upshift-agent[pyroscope]'"
            ) from error
        if taken := [name for name in OURS if name in configure]:
            raise ConfigurationError(
                f"{', '.join(taken)}: this follows from plans; Agent takes baseline_hz, and the "
                "controller's sampling.profiles the others'"
            )
        known = signature(pyroscope.configure).parameters
        if unknown := configure.keys() - known:
            raise ConfigurationError(f"pyroscope.configure takes no {', '.join(sorted(unknown))}")
        if "stack" in str(configure.get("cpu_implementation", "")).lower():
            raise ConfigurationError(
                "cpu_implementation=Stack: it does not follow sample_rate, and never starts again "
                "once it was stopped; leave it out"
            )
        self._pyroscope = pyroscope
        self._given = self._configure = configure
        self._running: tuple[int, Mapping[str, Any]] | None = None  # process id, arguments
        self._complaints = Complaints()

    def identify(self, attributes: Mapping[str, str]) -> None:
        tags = {name.replace(".", "_"): attributes[name] for name in TAGGED if name in attributes}
        self._configure = {
            "application_name": attributes.get(SERVICE, "upshift-agent"),
            **self._given,
            "tags": {**tags, **(self._given.get("tags") or {})},
        }

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Return 0 for what has to stand still though it was asked for; else it cannot tell."""
        wanted, achieved, problems = session(decisions)
        running = None if wanted is None else (os.getpid(), wanted)
        if running != self._running or running is None:
            self.close()
            for problem in problems:
                self._complaints.make(f"pyroscope {problem}")
        if wanted is not None and self._running is None:
            arguments = {**self._configure, **wanted}
            if not wanted.get("oncpu", True):
                arguments["tags"] = {**(arguments.get("tags") or {}), "upshift_profile": "wall"}
            if not self._pyroscope.configure(**arguments):
                raise UpshiftError(
                    "pyroscope.configure() returned False; if the application calls it as well, "
                    "leave that to this driver"
                )
            self._running = running
        return achieved or None

    def close(self) -> None:
        """Stop the profiler and send what it has. A forked child has none to stop."""
        running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            self._pyroscope.shutdown()
