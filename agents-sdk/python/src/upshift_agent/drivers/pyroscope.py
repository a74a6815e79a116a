"""pyroscope-io: the profiler is restarted at each frequency, which flushes the partial window.

    Agent.from_env(driver=PyroscopeDriver(server_address="http://pyroscope:4040"))

What the library does at the edges (pyroscope-io 1.4): a second configure() returns False and
changes nothing; a sample rate of 0 makes shutdown() hang for ever; 1 Hz takes 3 s to stop; far
above 1000 Hz it burns a core. So it runs between 5 and 1000 Hz only, and it never runs above what
was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import signature
from typing import Any

from ..attributes import SERVICE
from ..contract import ENVIRONMENT, INSTANCE, POD
from ..contract.errors import ConfigurationError, UpshiftError
from ..contract.resolve import Decision
from ..runtime.complaints import Complaints
from .driver import Profile

LOWEST_HZ = 5
HIGHEST_HZ = 1000
#: Attributes that become tags, dots as underscores: what Pyroscope takes for a label name.
TAGGED = (SERVICE, INSTANCE, ENVIRONMENT, "host.name", POD)
#: Pyroscope's own names, of which pyroscope-io reads none, and what they are to `configure`.
VARIABLES = {
    "PYROSCOPE_SERVER_ADDRESS": "server_address",
    "PYROSCOPE_BASIC_AUTH_USER": "basic_auth_username",
    "PYROSCOPE_BASIC_AUTH_PASSWORD": "basic_auth_password",
    "PYROSCOPE_TENANT_ID": "tenant_id",
}


def from_environment() -> PyroscopeDriver:
    """The driver that is registered as `pyroscope`. Raise `ConfigurationError`."""
    found = {VARIABLES[name]: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    return PyroscopeDriver(**found)


class PyroscopeDriver:
    """Takes every keyword of `pyroscope.configure` but `sample_rate`.

    `application_name` is `service.name` unless given; `tags` are added to those of the attributes.
    """

    name = "pyroscope"
    profiles: tuple[Profile, ...] = ("cpu",)

    def __init__(self, **configure: Any) -> None:
        """Raise `ConfigurationError` for what `pyroscope.configure` would not take."""
        try:
            import pyroscope
        except ImportError as error:
            raise ConfigurationError(
                "PyroscopeDriver needs pyroscope-io: pip install 'upshift-agent[pyroscope]'"
            ) from error
        if "sample_rate" in configure:
            raise ConfigurationError("sample_rate is Upshift's to set; Agent takes baseline_hz")
        if unknown := configure.keys() - signature(pyroscope.configure).parameters:
            raise ConfigurationError(f"pyroscope.configure takes no {', '.join(sorted(unknown))}")
        self._pyroscope = pyroscope
        self._given = self._configure = configure
        self._running: tuple[int, int] | None = None  # process id, Hz
        self._complaints = Complaints()

    def identify(self, attributes: Mapping[str, str]) -> None:
        tags = {name.replace(".", "_"): attributes[name] for name in TAGGED if name in attributes}
        self._configure = {
            "application_name": attributes.get(SERVICE, "upshift-agent"),
            **self._given,
            "tags": {**tags, **(self._given.get("tags") or {})},
        }

    def apply(self, decisions: Mapping[Profile, Decision]) -> Mapping[Profile, float] | None:
        """Return 0 where the profiler stands still; what it truly achieves it cannot tell."""
        hz = decisions["cpu"].hz
        rate = min(hz, HIGHEST_HZ)
        if self._running == (os.getpid(), rate):
            return None
        self.close()
        if rate < LOWEST_HZ:
            if rate > 0:
                self._complaints.make(
                    f"pyroscope stopped: {rate} Hz is below the {LOWEST_HZ} Hz that it can keep"
                )
            return {"cpu": 0.0}
        if rate < hz:
            self._complaints.make(f"pyroscope runs at {rate} Hz: above that it would burn a core")
        if not self._pyroscope.configure(**self._configure, sample_rate=rate):
            raise UpshiftError(
                "pyroscope.configure() returned False; if the application calls it as well, "
                "leave that to this driver"
            )
        self._running = os.getpid(), rate
        return {"cpu": float(rate)} if rate < hz else None

    def close(self) -> None:
        """Stop the profiler and send what it has. A forked child has none to stop."""
        running, self._running = self._running, None
        if running is not None and running[0] == os.getpid():
            self._pyroscope.shutdown()
